"""An index of documents in memory: nearness of meaning and shared words, fused by rank.

Reciprocal rank fusion (Cormack et al., 2009) of three orders: BM25 (Robertson & Zaragoza, 2009) of the whole query,
its vector, and the vectors of its sentences. A long query speaks of several things, and a vector of all of it is near
to none of them.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from helios.knowledge.sentences import split_sentences
from helios.knowledge.terms import terms

if TYPE_CHECKING:
    from helios.models.embedder import TextEncoder, Vectors

RANK_OFFSET: Final = 60
"""The constant k of reciprocal rank fusion: how little the first places stand out."""
SATURATION, LENGTH_WEIGHT = 1.2, 0.75
"""k1 and b of BM25."""
SENTENCES_MAX: Final = 40


@dataclass(frozen=True, slots=True, eq=False)
class IndexedChunk:
    """`text` is what its words are counted in; `vector` has unit length."""

    document: str
    text: str
    vector: Vectors


class DocumentIndex:
    """Ranks documents by their best chunk. Built once, then only read."""

    def __init__(self, chunks: Sequence[IndexedChunk], language: str = "en") -> None:
        self._language = language
        self._documents = tuple(dict.fromkeys(chunk.document for chunk in chunks))
        number = {document: index for index, document in enumerate(self._documents)}
        self._owners = np.array([number[chunk.document] for chunk in chunks])
        self._vectors = np.stack([chunk.vector for chunk in chunks])
        self._postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
        words: list[Counter[str]] = [Counter() for _ in self._documents]
        for chunk in chunks:
            words[number[chunk.document]].update(terms(chunk.text, language))
        self._lengths = np.array([max(1, counts.total()) for counts in words])
        for index, counts in enumerate(words):
            for word, count in counts.items():
                self._postings[word].append((index, count))

    def rank(self, encoder: TextEncoder, query: str, most: int) -> list[str]:
        """The `most` best documents for `query`, best first."""
        sentences = split_sentences(query)[:SENTENCES_MAX]
        vectors = encoder.embed([query, *sentences])
        nearness = self._nearest(vectors)
        fused = _by_rank(self._words(query)) + _by_rank(nearness[0])
        if len(sentences) > 1:
            fused += _by_rank(nearness[1:].sum(axis=0))
        order = np.argsort(-fused, kind="stable")[:most]
        return [self._documents[index] for index in order]

    def _nearest(self, vectors: Vectors) -> Vectors:
        """(queries, documents): the cosine of each document's nearest chunk."""
        best = np.full((len(vectors), len(self._documents)), -1.0, np.float32)
        for row, cosines in zip(best, vectors @ self._vectors.T, strict=True):
            np.maximum.at(row, self._owners, cosines)
        return best

    def _words(self, query: str) -> Vectors:
        """(documents,): BM25 of the query's words."""
        scores = np.zeros(len(self._documents), np.float32)
        average = self._lengths.mean()
        for word in terms(query, self._language):
            postings = self._postings.get(word, [])
            rarity = math.log(1 + (len(self._documents) - len(postings) + 0.5) / (len(postings) + 0.5))
            for index, count in postings:
                length = 1 - LENGTH_WEIGHT + LENGTH_WEIGHT * self._lengths[index] / average
                scores[index] += rarity * count * (SATURATION + 1) / (count + SATURATION * length)
        return scores


def _by_rank(scores: Vectors) -> Vectors:
    ranks = np.empty(len(scores))
    ranks[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
    return (1 / (RANK_OFFSET + ranks)).astype(np.float32)
