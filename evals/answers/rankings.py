"""The section of docs/quality.md about retrieval: words, vectors, their fusion by rank, and ours, on tau2_banking."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from evals.prediction.retrieval import asked, index
from evals.report import Section, table
from helios.knowledge.bm25 import WordIndex, topic_words
from helios.models.embedder import Embedder
from helios.settings import settings

KINDS: Final = ("utterances", "scenario")
METRICS: Final = ("R@20", "nDCG@10")
AIMS: Final = {"utterances R@20": ".50", "scenario nDCG@10": ".40"}
RANK_OFFSET: Final = 60


def retrieval(sets: Path | None) -> Section:
    """Rankings of tau2_banking's articles side by side."""
    head = "## Retrieval\n\n"
    if sets is None:
        return Section("retrieval", f"{head}Not measured: `HELIOS_EVAL_DATA` is not set.\n", {})
    told = compare(sets / "tau2_banking")
    text = head + (
        "tau2_banking: the customer's sentences (utterances) and whole scripts (scenario) against 698 articles, all"
        " rankings in one run. Ours sums signs that all count alike: weights learnt by listwise regression reached no"
        " more on tasks held out.\n\n"
    )
    columns = [f"{kind} {metric}" for kind in KINDS for metric in METRICS]
    aims = ["aim", *(AIMS.get(column, "") for column in columns)]
    figures = {name: dict(zip(columns, values, strict=True)) for name, *values in told}
    return Section("retrieval", text + table(["", *columns], [*told, aims]), figures)


def compare(folder: Path) -> list[list[str]]:
    """A row for each ranking: Recall@20 and nDCG@10 of the utterances, then of the scenarios."""
    encoder = Embedder.load(settings())
    documents = _rows(folder / "kb.jsonl.gz")
    relevant = {row["qid"]: row["rel"] for row in _rows(folder / "qrels.jsonl")}
    fusion = index(encoder, documents)
    texts = {row["id"]: f"{row['title']} {row['text']}" for row in documents}
    words = WordIndex([topic_words(texts[name], "en") for name in fusion.documents])
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for row in _rows(folder / "queries.jsonl"):
        question = asked(encoder, row["text"])
        by_words = words.scores(topic_words(row["text"], "en"))
        by_vector = fusion.nearness(question.vectors[:1])[0]
        rankings = {
            "BM25": by_words,
            "vectors": by_vector,
            "both, fused by rank": _by_rank(by_words) + _by_rank(by_vector),
            "ours": fusion.scores(question),
        }
        for name, scores in rankings.items():
            order = [fusion.documents[place] for place in np.argsort(-scores, kind="stable")[:20]]
            measured = found.setdefault(name, {kind: [] for kind in KINDS})
            measured[row["qid"].rsplit("/")[-1]].append(_measure(order, relevant[row["qid"]]))
    return [
        [name, *(f"{value:.3f}" for kind in KINDS for value in np.mean(measured[kind], axis=0))]
        for name, measured in found.items()
    ]


def _measure(order: Sequence[str], grades: Mapping[str, int]) -> tuple[float, float]:
    """Recall@20 and nDCG@10 (Järvelin & Kekäläinen, 2002) with gains of 2^grade - 1."""
    wanted = {name: grade for name, grade in grades.items() if grade > 0}
    recall = sum(name in wanted for name in order[:20]) / len(wanted)
    gained = _discounted([wanted.get(name, 0) for name in order[:10]])
    return recall, gained / _discounted(sorted(wanted.values(), reverse=True)[:10])


def _discounted(grades: Sequence[int]) -> float:
    return math.fsum((2.0**grade - 1) / math.log2(place + 2) for place, grade in enumerate(grades))


def _by_rank(scores: np.ndarray) -> np.ndarray:
    ranks = np.empty(len(scores))
    ranks[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
    return 1 / (RANK_OFFSET + ranks)


def _rows(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]
