"""Rows through the intent classifier: the shipped one, or one trained on a tenant's own examples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evals.prediction.rows import Row, RowError, read_rows
from helios.models.embedder import Embedder, TextEncoder
from helios.models.intent import OTHER, IntentClassifier, IntentError
from helios.settings import settings

OUT_OF_SCOPE = frozenset({OTHER, "oos", "out_of_scope"})
"""Labels of examples that belong to no intent."""


def classify(rows: Iterable[Row], training: Path | None) -> Iterator[Mapping[str, Any]]:
    """Predictions of the shipped classifier, or of one that learns from a file first.

    Training rows have a `label`, or `intents` where a text has several. Raises `RowError`.
    """
    encoder = Embedder.load(settings())
    if training is None:
        classifier = IntentClassifier.load(settings(), encoder)
    else:
        learnt = read_rows(training, ("text",))
        try:
            classifier = train(encoder, learnt)
        except (IntentError, RowError) as error:
            raise RowError(f"{training}: {error}") from error
    yield from predictions(encoder, classifier, rows)


def predictions(encoder: TextEncoder, classifier: IntentClassifier, rows: Iterable[Row]) -> Iterator[Mapping[str, Any]]:
    """The likeliest intent, its probability, every intent of the text (`intents`), and how likely the text is to belong
    to none (`oos_score`, 0..1)."""
    foreign = [index for index, name in enumerate(classifier.names) if name in OUT_OF_SCOPE]
    for row in rows:
        vector = encoder.embed([row["text"]])[0]
        probabilities = classifier.probabilities(vector, row["text"])
        best = int(probabilities.argmax())
        inside = 1 - float(probabilities[foreign].sum())
        likeliest = max((float(p) for i, p in enumerate(probabilities) if i not in foreign), default=0.0)
        yield {
            "id": row["id"],
            "label": classifier.names[best],
            "score": round(float(probabilities[best]), 6),
            "oos_score": round(1 - inside * likeliest, 6),
            "intents": list(classifier.several(vector, row["text"])),
        }


def train(encoder: TextEncoder, rows: Sequence[Row]) -> IntentClassifier:
    """A classifier of labelled rows. Raises `IntentError`, and `RowError` for a row without labels."""
    labelled = [(row["text"], _labels(row)) for row in rows]
    names = sorted({name for _, labels in labelled for name in labels})
    return IntentClassifier.train_rows(encoder, sorted(labelled, key=lambda row: tuple(row[1])), names)


def _labels(row: Row) -> tuple[str, ...]:
    several = row.get("intents", row.get("label"))
    labels = [several] if isinstance(several, str) else several
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise RowError(f"{row['id']} has neither a 'label' nor a list of 'intents'")
    return tuple(labels)
