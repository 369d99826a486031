"""What a trained detector sees of a text besides its sentence vector: hashed character and word n-grams.

They carry what an English encoder can't: other languages, typos, marks. No vocabulary is kept, so a model is a matrix.
"""

from __future__ import annotations

import math
import re
import unicodedata
import zlib
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from helios.detection.spans import normalise

Indices = npt.NDArray[np.int64]

CHARACTER_BUCKETS: Final = 1 << 14
WORD_BUCKETS: Final = 1 << 13
BUCKETS: Final = CHARACTER_BUCKETS + WORD_BUCKETS
CHARACTER_SIZES: Final = (2, 3, 4, 5)
CHARACTERS_MAX: Final = 12_000

_BEHIND_LATIN: Final = "\u0250"
_PRIME = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio, as Fibonacci hashing uses it
_WORD = re.compile(r"[^\W_]+")
_BLANK = re.compile(r"\s+")
_DIGITS = re.compile(r"\d")


def readable(text: str) -> bool:
    """Whether the encoder's vector of ``text`` means something: it is English, and of other scripts than Latin it sees
    little but the script."""
    letters = [letter for letter in text[:CHARACTERS_MAX] if letter.isalpha()]
    return 2 * sum(letter < _BEHIND_LATIN for letter in letters) >= len(letters)


def scale(count: int) -> float:
    """What each of ``count`` n-grams counts: together they have length 2, the sentence vector has 1."""
    return 2 / math.sqrt(max(1, count))


@dataclass(frozen=True, slots=True)
class Grams:
    """Bucket numbers, each once and in order: 0 ≤ characters < CHARACTER_BUCKETS ≤ words < BUCKETS."""

    characters: Indices
    words: Indices


def grams(text: str) -> Grams:
    """The n-grams of a text: folded to lower case without accents, every digit as 0."""
    folded = fold(text)
    return Grams(_characters(folded), _words(folded))


def fold(text: str) -> str:
    """``text`` as n-grams are taken of it, with one blank at both ends."""
    folded = normalise(text[:CHARACTERS_MAX]).text
    if not folded.isascii():
        decomposed = unicodedata.normalize("NFD", folded)
        folded = "".join(c for c in decomposed if not unicodedata.combining(c))
    return f" {_BLANK.sub(' ', _DIGITS.sub('0', folded)).strip()} "


def _characters(folded: str) -> Indices:
    points = np.frombuffer(folded.encode("utf-32-le"), dtype=np.uint32).astype(np.uint64) + np.uint64(1)
    found: list[npt.NDArray[Any]] = []
    hashed = points.copy()
    for size in range(2, max(CHARACTER_SIZES) + 1):
        if len(points) < size:
            break
        hashed = hashed[:-1] * _PRIME + points[size - 1 :]
        if size in CHARACTER_SIZES:
            mixed = (hashed + np.uint64(size)) * _PRIME
            found.append(mixed >> np.uint64(64 - 14))
    return np.unique(np.concatenate(found)).astype(np.int64) if found else np.empty(0, np.int64)


def _words(folded: str) -> Indices:
    words = _WORD.findall(folded)
    pairs = (f"{left} {right}" for left, right in pairwise(words))
    numbers = {zlib.crc32(gram.encode()) % WORD_BUCKETS for gram in (*words, *pairs)}
    return np.array(sorted(numbers), dtype=np.int64) + CHARACTER_BUCKETS
