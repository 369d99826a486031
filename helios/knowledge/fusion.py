"""One score out of many signs of relevance: shared words, nearness of meaning, and titles.

Each sign is brought to mean 0 and deviation 1 over what is ranked, and all count alike. Weights learnt on
the same signs were no better on tasks that they had not seen, and rank fusion was worse: see docs/quality.md.

A long query speaks of several things, and a vector of all of it is near to none of them; so its sentences are looked at
one by one as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from helios.knowledge.bm25 import WordIndex, phrases, stems, topic_words

if TYPE_CHECKING:
    from helios.models.embedder import Vectors

Scores = npt.NDArray[np.float64]

RANK_OFFSET: Final = 5
"""How little a sentence's first places stand out: k of reciprocal rank fusion (Cormack et al., 2009)."""


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """`vectors` (1 + n, 384): of `text`, and of n of its `sentences` where they were encoded."""

    text: str
    sentences: tuple[str, ...]
    vectors: Vectors


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A chunk of a document; `vector` has unit length, so have the rows of `sentence_vectors` where there are any."""

    document: str
    title: str
    text: str
    vector: Vectors
    sentence_vectors: Vectors | None = None


class Fusion:
    """Scores documents by their pieces. Built once, then only read.

    `title_vectors` maps a title to its vector, where titles were encoded.
    """

    def __init__(self, pieces: Sequence[Piece], language: str, title_vectors: dict[str, Vectors] | None = None) -> None:
        self._language = language
        self.documents = tuple(dict.fromkeys(piece.document for piece in pieces))
        number = {document: index for index, document in enumerate(self.documents)}
        self._owners = np.array([number[piece.document] for piece in pieces])
        self._vectors = np.stack([piece.vector for piece in pieces])
        self._sentences = _stacked(pieces, self._owners)
        titles = {number[piece.document]: piece.title for piece in reversed(pieces)}
        bodies: list[list[str]] = [[titles[index]] for index in range(len(titles))]
        for owner, piece in zip(self._owners, pieces, strict=True):
            bodies[owner].append(piece.text)
        texts = [" ".join(body) for body in bodies]
        self._words = WordIndex([topic_words(text, language) for text in texts])
        self._stems = WordIndex([stems(text, language) for text in texts])
        self._names = WordIndex([phrases(titles[index]) for index in range(len(titles))])
        self._titles = np.stack([title_vectors[titles[i]] for i in range(len(titles))]) if title_vectors else None

    def scores(self, question: Question) -> Scores:
        """(documents,) in the order of `documents`: higher is better, comparable within one question."""
        fused: Scores = np.sum([standard(sign) for sign in self._signs(question)], axis=0)
        return standard(fused)

    def nearness(self, questions: Vectors) -> Scores:
        """(questions, documents): the cosine of each document's nearest piece."""
        return self._nearest(questions, self._vectors, self._owners)

    def _signs(self, question: Question) -> list[Scores]:
        sentences = question.sentences or (question.text,)
        by_sentence = [self._stems.scores(stems(sentence, self._language)) for sentence in sentences]
        nearness = self.nearness(question.vectors)
        of_sentences = nearness[1:] if len(nearness) > 1 else nearness
        signs = [
            self._words.scores(topic_words(question.text, self._language)),
            np.sum([_by_rank(scores) for scores in by_sentence], axis=0),
            np.max(by_sentence, axis=0),
            self._names.scores(phrases(question.text)),
            nearness[0],
            of_sentences.sum(axis=0),
        ]
        if self._sentences is not None:
            signs.append(self._nearest(question.vectors[:1], *self._sentences)[0])
        if self._titles is not None:
            titles = (question.vectors @ self._titles.T).astype(np.float64)
            signs += [titles[0], titles[1:].max(axis=0) if len(titles) > 1 else titles[0]]
        return signs

    def _nearest(self, questions: Vectors, vectors: Vectors, owners: npt.NDArray[np.int64]) -> Scores:
        """(questions, documents): the cosine of each document's nearest piece or sentence."""
        best = np.full((len(questions), len(self.documents)), -1.0)
        for row, cosines in zip(best, questions @ vectors.T, strict=True):
            np.maximum.at(row, owners, cosines)
        return best


def _stacked(pieces: Sequence[Piece], owners: npt.NDArray[np.int64]) -> tuple[Vectors, npt.NDArray[np.int64]] | None:
    """All sentences' vectors and the document of each; None unless every piece has some."""
    found = [piece.sentence_vectors for piece in pieces if piece.sentence_vectors is not None]
    if len(found) < len(pieces):
        return None
    return np.concatenate(found), np.repeat(owners, [len(vectors) for vectors in found])


def standard(scores: npt.ArrayLike) -> Scores:
    """Mean 0 and deviation 1; all 0 where all are the same."""
    given = np.asarray(scores, dtype=np.float64)
    deviation = given.std() if given.size else 0.0
    return (given - given.mean()) / deviation if deviation > 0 else np.zeros(len(given))


def _by_rank(scores: Scores) -> Scores:
    ranks = np.empty(len(scores))
    ranks[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
    return 1 / (RANK_OFFSET + ranks)
