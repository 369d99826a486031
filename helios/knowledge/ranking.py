"""Orders retrieved candidates: how near the whole passage is, how near its best sentence, and shared rare words.

Candidates come out of the database by vector and by full text; which ten of fifty a generator sees is decided here,
where sentences' vectors and a language's endings are at hand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from helios.knowledge.terms import best_match, terms

if TYPE_CHECKING:
    from helios.llm.base import Passage
    from helios.models.embedder import Vectors

DEFAULT_LIMIT = 8


@dataclass(frozen=True, slots=True)
class _Weights:
    cosine: float
    sentence: float
    words: float


# The encoder knows English only. Elsewhere its vectors still see names, numbers and loan words.
_ENGLISH = _Weights(1.0, 0.5, 0.2)
_OTHER = _Weights(0.5, 0.25, 1.0)


def rank_passages(
    candidates: Sequence[Passage], question: str, vector: Vectors, language: str, limit: int = DEFAULT_LIMIT
) -> tuple[Passage, ...]:
    """The best `limit` of the candidates, best first; ties keep the order in which they came.

    `question` and its `vector`, (384,), are those that were searched with; `language` is the customer's.
    """
    weights = _ENGLISH if language == "en" else _OTHER
    overlaps = word_overlap(candidates, question, language)
    scores = [
        weights.cosine * passage.score + weights.sentence * _best_sentence(passage, vector) + weights.words * overlap
        for passage, overlap in zip(candidates, overlaps, strict=True)
    ]
    order = sorted(range(len(candidates)), key=lambda index: (-scores[index], index))
    return tuple(candidates[index] for index in order[:limit])


def word_overlap(candidates: Sequence[Passage], question: str, language: str) -> list[float]:
    """How much of the question's words, each weighed by its rarity among the candidates, each candidate holds, 0..1."""
    asked = terms(question, language)
    held = [_held(f"{passage.title} {passage.text}", language) for passage in candidates]
    matches = np.array([[best_match(term, words, language) for term in asked] for words in held])
    if not matches.size:
        return [0.0] * len(candidates)
    holding = (matches >= 0.5).sum(axis=0)
    rarity = np.array([math.log((len(candidates) + 1) / (count + 0.5)) for count in holding])
    total = float(rarity.sum())
    return [float(value) / total for value in matches @ rarity] if total > 0 else [0.0] * len(candidates)


@lru_cache(maxsize=2_000)
def _held(text: str, language: str) -> frozenset[str]:
    """A passage comes up for many questions; taking it apart is half of the ranking's work."""
    return frozenset(terms(text, language))


def _best_sentence(passage: Passage, vector: Vectors) -> float:
    if passage.sentence_vectors is None or not len(passage.sentence_vectors):
        return passage.score
    return float((passage.sentence_vectors @ vector).max())
