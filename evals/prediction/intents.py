"""Rows through the intent classifier: the shipped one, or one trained on a tenant's own examples."""

from __future__ import annotations

from collections import defaultdict
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
    """The likeliest intent, its probability, and how likely the text is to belong to none (`oos_score`, 0..1)."""
    encoder = Embedder.load(settings())
    classifier = IntentClassifier.load(settings(), encoder) if training is None else _train(encoder, training)
    foreign = [index for index, name in enumerate(classifier.names) if name in OUT_OF_SCOPE]
    for row in rows:
        probabilities = classifier.probabilities(encoder.embed([row["text"]])[0])
        best = int(probabilities.argmax())
        inside = 1 - float(probabilities[foreign].sum())
        likeliest = max((float(p) for i, p in enumerate(probabilities) if i not in foreign), default=0.0)
        yield {
            "id": row["id"],
            "label": classifier.names[best],
            "score": round(float(probabilities[best]), 6),
            "oos_score": round(1 - inside * likeliest, 6),
        }


def _train(encoder: TextEncoder, path: Path) -> IntentClassifier:
    examples: dict[str, list[str]] = defaultdict(list)
    for row in read_rows(path, ("text", "label")):
        examples[row["label"]].append(row["text"])
    return _checked(encoder, examples, path)


def _checked(encoder: TextEncoder, examples: Mapping[str, Sequence[str]], path: Path) -> IntentClassifier:
    try:
        return IntentClassifier.train(encoder, examples)
    except IntentError as error:
        raise RowError(f"{path}: {error}") from error
