"""Finds names, places, companies, addresses, dates and the like: a small network on the encoder's token vectors.

A word is seen through its own vector and those of two neighbours on each side, its shape (capitals, digits, marks) and
its last letters. One hidden layer scores each word's tags, and Viterbi's algorithm chooses the best sequence in which
a name goes on only where one has begun. Trained by `make train` on sentences of our own (docs/models/tagger.md); at run
time it is numpy on the vectors of the pass that intent and retrieval need anyway.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from helios.detection.spans import Span
from helios.models.embedder import MAX_TOKENS

if TYPE_CHECKING:
    from helios.models.embedder import Embedder, Encoding, Vectors

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int32]

WEIGHTS: Final = Path(__file__).with_name("tagger.npz")
LABELS: Final = (
    "PERSON", "STREET_ADDRESS", "GPE", "ORGANIZATION", "TITLE", "DATE_TIME", "AGE", "NRP", "ZIP_CODE", "PHONE",
)  # fmt: skip
TAGS: Final = ("O", *(f"{part}-{label}" for label in LABELS for part in "BI"))
"""B begins a span, I goes on with it, O stands outside."""
REACH: Final = 2
"""Neighbours on each side that a word is seen with."""
DIMENSION: Final = 384
ENDINGS: Final = 512
"""Buckets for the last three letters of a word."""

_ROWS_AT_ONCE: Final = 5
_FULL: Final = MAX_TOKENS - 2
_WORD = re.compile(r"\n|[^\W\d_]+|\d+|[^\w\s]|_")
_MARKS: Final = "\n.,:;!?'\"()-/@#&>*+_"
_SHAPES: Final = len(_MARKS) + 16
_IMPOSSIBLE: Final = -1e4


@dataclass(frozen=True, slots=True)
class Word:
    start: int
    end: int
    text: str


class Tagger:
    """Labels spans of an encoded text. Safe to share between threads."""

    def __init__(self, parameters: dict[str, Floats]) -> None:
        self._parameters = parameters

    @classmethod
    def load(cls, path: Path = WEIGHTS) -> Tagger:
        """The tagger that ships with this version of the code."""
        return _shipped(path)

    def tag(self, text: str, encoding: Encoding) -> list[Span]:
        """Spans in order, without overlap; ``score`` is the mean probability of their words' tags.

        Words behind the encoder's last token are not looked at.
        """
        words = split_words(text)
        if encoding.token_spans:
            last = encoding.token_spans[-1][1]
            words = [word for word in words if word.end <= last]
        if not words or not encoding.token_spans:
            return []
        scores = score(self._parameters, word_vectors(words, encoding), word_features(words))
        tags = best_tags(scores, self._parameters["transitions"])
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        chances = powers / powers.sum(axis=1, keepdims=True)
        return to_spans(words, tags, chances[np.arange(len(tags)), tags])


def tag(encoder: Embedder, tagger: Tagger, text: str) -> list[Span]:
    """Spans of a text of any length: what is longer than the encoder reads at once goes through it in pieces."""
    spans: list[Span] = []
    start = 0
    while start < len(text):
        piece = text[start:]
        encoding = encoder.encode(piece)
        end = encoding.token_spans[-1][1] if encoding.token_spans else len(piece)
        rest = bool(piece[end:].strip()) and len(encoding.token_spans) >= _FULL
        found = tagger.tag(piece, encoding)
        if rest:  # the last words have seen no neighbours behind them: they are read again with the next piece
            end = _seam(piece, encoding)
            found = [span for span in found if span.end <= end]
        spans.extend(Span(start + span.start, start + span.end, span.label, span.score) for span in found)
        if not rest:
            break
        start += end
    return spans


def _seam(piece: str, encoding: Encoding) -> int:
    """Where to go on reading: behind a line or a space in the last quarter of what was read."""
    first, last = encoding.token_spans[3 * len(encoding.token_spans) // 4][0], encoding.token_spans[-1][1]
    cut = max(piece.rfind("\n", first, last), piece.rfind(". ", first, last))
    return 1 + (cut if cut > 0 else max(piece.rfind(" ", first, last), first))


@cache
def _shipped(path: Path) -> Tagger:
    with np.load(path, allow_pickle=False) as archive:
        return Tagger({name: archive[name].astype(np.float32) for name in archive.files})


def split_words(text: str) -> list[Word]:
    """Letters, numbers and single marks; a line break is a word, other white space is none."""
    return [Word(match.start(), match.end(), match.group()) for match in _WORD.finditer(text)]


def word_vectors(words: Sequence[Word], encoding: Encoding) -> Floats:
    """(words, 384) float32: the mean of the vectors of the tokens that a word is made of, zeros where there is none."""
    sums = np.zeros((len(words), DIMENSION), np.float32)
    counts = np.zeros((len(words), 1), np.float32)
    index = 0
    for (start, end), vector in zip(encoding.token_spans, encoding.token_vectors, strict=True):
        while index < len(words) and words[index].end <= start:
            index += 1
        if index == len(words):
            break
        if words[index].start < end:
            sums[index] += vector
            counts[index] += 1
    return (sums / np.maximum(counts, 1)).astype(np.float32)


def word_features(words: Sequence[Word]) -> Integers:
    """(words, 3) int32 for each word: its shape, the bucket of its ending, and what stands around it in the text."""
    rows = np.zeros((len(words), 3), np.int32)
    letters = [word.text for word in words if word.text[0].isalpha()]
    lower = bool(letters) and all(text == text.lower() for text in letters)
    for index, word in enumerate(words):
        first = index == 0 or words[index - 1].text == "\n"
        glued = index > 0 and words[index - 1].end == word.start
        rows[index] = _shape(word.text), _ending(word.text), 4 * lower + 2 * first + glued
    return rows


def _shape(text: str) -> int:
    if text in _MARKS:
        return _MARKS.index(text)
    kinds = len(_MARKS)
    if text.isdigit():
        return kinds + min(len(text), 6)
    if not text[0].isalpha():
        return kinds + 7
    if text.isupper():
        return kinds + (8 if len(text) == 1 else 9 if len(text) < 4 else 10)
    if text[0].isupper():
        return kinds + (11 if text[1:].islower() else 12)
    if text[0].islower():
        return kinds + (13 if len(text) < 4 else 14)
    return kinds + 15  # a script without capitals


def _ending(text: str) -> int:
    number = 0
    for character in text[-3:].lower():
        number = (number * 257 + ord(character)) % 1_000_003
    return number % ENDINGS


def score(parameters: dict[str, Floats], vectors: Vectors, features: Integers) -> Floats:
    """(words, tags) float32: how well each tag fits each word."""
    hidden = np.maximum(hidden_inputs(parameters, vectors, features), 0)
    scores: Floats = hidden @ parameters["out"] + parameters["out_bias"]
    return scores


def hidden_inputs(parameters: dict[str, Floats], vectors: Vectors, features: Integers) -> Floats:
    """(words, hidden) float32, before the rectifier. Beyond its ends a text goes on with empty lines."""
    count = len(vectors)
    around = np.pad(vectors, ((REACH, REACH), (0, 0)))
    near = np.pad(features, ((REACH, REACH), (0, 0)))
    total = np.tile(parameters["bias"], (count, 1))
    for place in range(2 * REACH + 1):
        _add_product(total, around[place : place + count], parameters["dense"][place])
        total += parameters["shape"][place][near[place : place + count, 0]]
        total += parameters["place"][place][near[place : place + count, 2]]
        if abs(place - REACH) <= 1:
            total += parameters["ending"][place - 1][near[place : place + count, 1]]
    return total


def _add_product(total: Floats, rows: Floats, table: Floats) -> None:
    """``total += rows @ table``, a few rows at a time.

    From 2**18 multiplications on OpenBLAS wakes a thread for each core; they spin, and beside other turns a product of
    a millisecond takes forty.
    """
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        total[part] += rows[part] @ table


def new_parameters(hidden: int, generator: np.random.Generator) -> dict[str, Floats]:
    """Parameters before training."""
    width = 2 * REACH + 1
    sizes: dict[str, tuple[int, ...]] = {
        "dense": (width, DIMENSION, hidden), "shape": (width, _SHAPES, hidden), "place": (width, 8, hidden),
        "ending": (3, ENDINGS, hidden), "out": (hidden, len(TAGS)),
    }  # fmt: skip
    scales = {"dense": (2 / (width * DIMENSION)) ** 0.5, "out": (1 / hidden) ** 0.5}
    drawn = {
        name: (generator.standard_normal(size) * scales.get(name, 0.02)).astype(np.float32)
        for name, size in sizes.items()
    }
    return {**drawn, "bias": np.zeros(hidden, np.float32), "out_bias": np.zeros(len(TAGS), np.float32)}


def allowed() -> npt.NDArray[Any]:
    """(tags + 1, tags) bool: which tag may follow which; the last row is the beginning of a text."""
    table = np.ones((len(TAGS) + 1, len(TAGS)), bool)
    for after, name in enumerate(TAGS):
        if name.startswith("I-"):
            table[:, after] = False
            for before in (after - 1, after):  # B and I of the same label
                table[before, after] = True
    return table


def best_tags(scores: Floats, transitions: Floats) -> Integers:
    """(words,) int32: Viterbi's best sequence. ``transitions``: (tags + 1, tags), see ``allowed``."""
    steps = np.where(allowed(), transitions, _IMPOSSIBLE)
    best = scores[0] + steps[-1]
    back = np.zeros(scores.shape, np.int32)
    for index in range(1, len(scores)):
        paths = best[:, None] + steps[:-1]
        back[index] = paths.argmax(axis=0)
        best = paths.max(axis=0) + scores[index]
    tags = np.zeros(len(scores), np.int32)
    tags[-1] = best.argmax()
    for index in range(len(scores) - 1, 0, -1):
        tags[index - 1] = back[index, tags[index]]
    return tags


def to_spans(words: Sequence[Word], tags: Integers, chances: Floats) -> list[Span]:
    """Tagged words as spans of the text."""
    spans: list[Span] = []
    index = 0
    while index < len(words):
        tag = int(tags[index])
        end = index + 1
        if tag:
            while end < len(words) and tags[end] == tag + 1:
                end += 1
            mean = float(chances[index:end].mean())
            spans.append(Span(words[index].start, words[end - 1].end, TAGS[tag][2:], round(mean, 4)))
        index = end
    return spans


def to_tags(words: Sequence[Word], spans: Sequence[Span]) -> Integers:
    """(words,) int32: the tags of words that lie in spans of known labels."""
    tags = np.zeros(len(words), np.int32)
    for span in spans:
        inside = [i for i, word in enumerate(words) if word.start < span.end and span.start < word.end]
        begin = TAGS.index(f"B-{span.label}")
        for place, index in enumerate(inside):
            tags[index] = begin + (place > 0)
    return tags
