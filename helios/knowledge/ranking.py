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

from helios.knowledge.fusion import Fusion, Piece, Question, standard
from helios.knowledge.sentences import split_sentences
from helios.knowledge.terms import matches, terms

if TYPE_CHECKING:
    from uuid import UUID

    from helios.llm.base import Passage
    from helios.models.embedder import Vectors

DEFAULT_LIMIT = 8
ARTICLE_SHARE, ARTICLE_DEPTH = 0.2, 3
"""What the article's best passages, this many, add to each of its passages."""
LONG_QUESTION = 3
"""From how many sentences a message speaks of several things."""


@dataclass(frozen=True, slots=True)
class _Weights:
    cosine: float
    sentence: float
    words: float


LOCAL_SHARE = 0.5
"""What the order by the local encoder and by words counts beside the nearness in another embedder's space.

Of passages in the question's language: between two languages neither words nor that encoder tell anything.
"""
OWN_LANGUAGE = 0.5
"""What a passage in the searched language is ahead there: of an article and its translation the one that is read."""


# The encoder knows English only. Elsewhere its vectors still see names, numbers and loan words.
_ENGLISH = _Weights(1.0, 0.5, 0.2)
_OTHER = _Weights(0.5, 0.25, 1.0)


def rank_passages(
    candidates: Sequence[Passage],
    question: str,
    vector: Vectors,
    language: str,
    limit: int = DEFAULT_LIMIT,
    nearness: Sequence[float] | None = None,
    asked: str | None = None,
) -> tuple[Passage, ...]:
    """The best `limit` of the candidates, best first; ties keep the order in which they came.

    `question` and its `vector`, (384,), are those that were searched with, `language` is the one that words were looked
    for in; `asked` is the question's own, if that is another. `nearness` is each candidate's in the space of another
    embedder, on whatever scale that has.
    """
    sentences = split_sentences(question)
    if language == "en" and len(sentences) >= LONG_QUESTION:
        scores = _fused(candidates, Question(question, sentences, vector[None]))
    else:
        scores = _weighed(candidates, question, vector, language)
        scores = _with_article(candidates, scores)
    if nearness is not None:
        searched = np.array([passage.language == language for passage in candidates])
        spoken = np.array([passage.language == (asked or language) for passage in candidates])
        scores = list(standard(nearness) + spoken * LOCAL_SHARE * standard(scores) + searched * OWN_LANGUAGE)
    order = sorted(range(len(candidates)), key=lambda index: (-scores[index], index))
    return tuple(candidates[index] for index in order[:limit])


def _weighed(candidates: Sequence[Passage], question: str, vector: Vectors, language: str) -> list[float]:
    """A short question rarely has the article's words, so its vector leads."""
    weights = _ENGLISH if language == "en" else _OTHER
    overlaps = word_overlap(candidates, question, language)
    return [
        weights.cosine * passage.score + weights.sentence * _best_sentence(passage, vector) + weights.words * overlap
        for passage, overlap in zip(candidates, overlaps, strict=True)
    ]


def _with_article(candidates: Sequence[Passage], scores: Sequence[float]) -> list[float]:
    """An article that several passages speak for is rather the right one, and then its other passages are too."""
    of_article: dict[UUID, list[float]] = {}
    for passage, score in zip(candidates, scores, strict=True):
        of_article.setdefault(passage.source_id, []).append(score)
    best = {source: sum(sorted(held)[-ARTICLE_DEPTH:]) / ARTICLE_DEPTH for source, held in of_article.items()}
    return [score + ARTICLE_SHARE * best[passage.source_id] for passage, score in zip(candidates, scores, strict=True)]


def _fused(candidates: Sequence[Passage], question: Question) -> list[float]:
    """A long message names several things in the article's words; one vector of it all is near to none of them."""
    pieces = [
        Piece(str(number), passage.title, passage.text, _mean(passage, question.vectors[0]), passage.sentence_vectors)
        for number, passage in enumerate(candidates)
    ]
    return [float(score) for score in Fusion(pieces, "en").scores(question)] if pieces else []


def _mean(passage: Passage, question: Vectors) -> Vectors:
    """The direction of the passage's sentences; one without vectors gets the question's, by its own nearness."""
    if passage.sentence_vectors is None or not len(passage.sentence_vectors):
        return np.float32(passage.score) * question
    mean: Vectors = passage.sentence_vectors.mean(axis=0)
    length = float(np.linalg.norm(mean))
    return (mean / np.float32(length)).astype(np.float32) if length else mean


def word_overlap(candidates: Sequence[Passage], question: str, language: str) -> list[float]:
    """How much of the question's words, each weighed by its rarity among the candidates, each candidate holds, 0..1."""
    asked = terms(question, language)
    held = [_held(f"{passage.title} {passage.text}", language) for passage in candidates]
    found = matches(asked, held, language)
    if not found.size:
        return [0.0] * len(candidates)
    holding = (found >= 0.5).sum(axis=0)
    rarity = np.array([math.log((len(candidates) + 1) / (count + 0.5)) for count in holding])
    total = float(rarity.sum())
    return [float(value) / total for value in found @ rarity] if total > 0 else [0.0] * len(candidates)


@lru_cache(maxsize=2_000)
def _held(text: str, language: str) -> frozenset[str]:
    """A passage comes up for many questions; taking it apart is half of the ranking's work."""
    return frozenset(terms(text, language))


def _best_sentence(passage: Passage, vector: Vectors) -> float:
    if passage.sentence_vectors is None or not len(passage.sentence_vectors):
        return passage.score
    return float((passage.sentence_vectors @ vector).max())
