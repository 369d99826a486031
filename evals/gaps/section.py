"""The section of docs/quality.md about knowledge gaps: the groups of questions, held against known intents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from evals.detectors.examples import rows
from evals.intents.section import WITHOUT_SETS
from evals.prediction.intents import OUT_OF_SCOPE
from evals.prediction.rows import Row
from evals.report import Section, table
from helios.knowledge.clustering import SAME_QUESTION, grouped
from helios.models.embedder import Embedder, Vectors
from helios.settings import settings

SEED: Final = 7
CHOSEN_ON: Final = 1_500
"""Questions of the set that the threshold was chosen on."""
THRESHOLDS: Final = (0.35, 0.4, 0.45, 0.5, 0.55)
Labels = Sequence[int]
Finder = Callable[[Sequence[str], Vectors, int], Labels]


def ours(texts: Sequence[str], vectors: Vectors, _: int) -> Labels:
    return _labels(grouped(vectors), len(texts))


def words(texts: Sequence[str], _: Vectors, intents: int) -> Labels:
    """k-means over TF-IDF, told how many intents there are."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return _k_means(TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)).fit_transform(texts), intents)


def same_vectors(_: Sequence[str], vectors: Vectors, intents: int) -> Labels:
    """k-means over the same vectors as ours, told how many intents there are."""
    return _k_means(vectors, intents)


FINDERS: Final[Mapping[str, Finder]] = {
    "ours": ours,
    "TF-IDF, k-means, k known": words,
    "same vectors, k-means, k known": same_vectors,
}


def gaps(sets: Path | None) -> Section:
    """Adjusted mutual information and V-measure of our groups, beside k-means that knows how many there are."""
    head = "## Knowledge gaps\n\n"
    if sets is None:
        return Section("gaps", head + WITHOUT_SETS, {})
    encoder = Embedder.load(settings())
    asked = {
        "banking77": rows(sets / "banking77" / "check.jsonl"),
        "clinc150, finance": _in_scope(rows(sets / "clinc150" / "val_finance.jsonl")),
    }
    figures = {name: _measured(read, encoder) for name, read in asked.items()}
    told = [
        [f"{name}: {each} ({len(asked[name])} questions, {_intents(asked[name])} intents)", *values.values()]
        for name, held in figures.items()
        for each, values in held.items()
    ]
    chosen = _chosen(sets, encoder)
    text = (
        f"{head}Customers' questions with known intents, grouped without them. Two groups of ours become one while the"
        f" mean cosine between their questions is at least {SAME_QUESTION}, which was chosen on {CHOSEN_ON:,} training"
        " questions of clinc150's banking and credit cards"
        f" ({', '.join(f'{at}: {value}' for at, value in chosen.items())} AMI); banking77 had no part in it."
        " AMI is adjusted mutual information: 0 is chance, 1 the same groups. k-means is told the number of intents,"
        " which nobody knows of gaps.\n\n"
    )
    return Section("gaps", text + table(["", *FINDERS], told), figures)


def _measured(read: Sequence[Row], encoder: Embedder) -> dict[str, dict[str, str]]:
    from sklearn.metrics import adjusted_mutual_info_score, v_measure_score

    texts, known = [row["text"] for row in read], [row["label"] for row in read]
    vectors = encoder.embed(texts)
    found = {name: finder(texts, vectors, _intents(read)) for name, finder in FINDERS.items()}
    return {
        "AMI": {name: f"{adjusted_mutual_info_score(known, labels):.3f}" for name, labels in found.items()},
        "V-measure": {name: f"{v_measure_score(known, labels):.3f}" for name, labels in found.items()},
        "groups": {name: str(len(set(labels))) for name, labels in found.items()},
    }


def _chosen(sets: Path, encoder: Embedder) -> dict[float, str]:
    """AMI by threshold where the threshold was chosen."""
    from sklearn.metrics import adjusted_mutual_info_score

    kept = {row["label"] for row in _in_scope(rows(sets / "clinc150" / "val_finance.jsonl"))}
    read = [row for row in rows(sets / "clinc150" / "train.jsonl") if row["label"] in kept]
    some = np.random.default_rng(SEED).permutation(len(read))[:CHOSEN_ON]
    vectors = encoder.embed([read[place]["text"] for place in some])
    known = [read[place]["label"] for place in some]
    found = {at: _labels(grouped(vectors, at), len(some)) for at in THRESHOLDS}
    return {at: f"{adjusted_mutual_info_score(known, labels):.3f}" for at, labels in found.items()}


def _in_scope(read: Sequence[Row]) -> list[Row]:
    return [row for row in read if row["label"] not in OUT_OF_SCOPE]


def _intents(read: Sequence[Row]) -> int:
    return len({row["label"] for row in read})


def _labels(groups: Sequence[Sequence[int]], total: int) -> Labels:
    labels = np.empty(total, dtype=int)
    for number, group in enumerate(groups):
        labels[list(group)] = number
    return [int(each) for each in labels]


def _k_means(held: object, intents: int) -> Labels:
    from sklearn.cluster import KMeans

    return [int(each) for each in KMeans(intents, n_init=3, random_state=SEED).fit_predict(held)]
