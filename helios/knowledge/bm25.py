"""Okapi BM25 (Robertson & Zaragoza, 2009) over texts in memory."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from helios.knowledge.terms import tokens, words_of

Scores = npt.NDArray[np.float64]
Tokenizer = Callable[[str], list[str]]

SATURATION: Final = 1.2
"""k1: how soon a repeated word stops to count."""
LENGTH_WEIGHT: Final = 0.75
"""b: how much a long text is held back."""
_ENDINGS: Final = ("ing", "ed", "es", "s")


class WordIndex:
    """Scores of texts for a query; built once, then only read."""

    def __init__(self, texts: Sequence[Sequence[str]]) -> None:
        """`texts` are lists of words, cut by the same tokenizer as the queries'."""
        self._count = len(texts)
        lengths = np.array([max(1, len(words)) for words in texts], dtype=np.float64)
        self._lengths = 1 - LENGTH_WEIGHT + LENGTH_WEIGHT * lengths / (lengths.mean() if len(lengths) else 1)
        postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for index, words in enumerate(texts):
            for word, count in Counter(words).items():
                postings[word].append((index, count))
        self._weights = {word: self._weigh(found) for word, found in postings.items()}

    def scores(self, words: Iterable[str]) -> Scores:
        """(texts,): BM25 of the query's words, each counted once."""
        total = np.zeros(self._count)
        for word in set(words):
            if word in self._weights:
                places, weights = self._weights[word]
                total[places] += weights
        return total

    def _weigh(self, postings: Sequence[tuple[int, int]]) -> tuple[npt.NDArray[np.int64], Scores]:
        places = np.array([place for place, _ in postings])
        counts = np.array([count for _, count in postings], dtype=np.float64)
        rarity = math.log(1 + (self._count - len(postings) + 0.5) / (len(postings) + 0.5))
        return places, rarity * counts * (SATURATION + 1) / (counts + SATURATION * self._lengths[places])


def topic_words(text: str, language: str) -> list[str]:
    """The words of a text without stop words, each as often as it stands there."""
    stopwords = words_of(language).stopwords
    return [token for token in tokens(text) if token not in stopwords]


def stems(text: str, language: str) -> list[str]:
    """The same without the commonest English endings: withdrawals and withdrawal are one word."""
    return [_stem(word) for word in topic_words(text, language)]


def phrases(text: str) -> list[str]:
    """Every two words that follow each other, by their stems: what names of products are made of."""
    return [f"{left} {right}" for left, right in pairwise(map(_stem, tokens(text)))]


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) >= len(ending) + 3:
            return word[: -len(ending)]
    return word
