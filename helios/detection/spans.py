"""Spans of a text, and a normalised view of a text whose offsets lead back to the original."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

# A longer chain of combining marks carries no letter any more, and ordering it is quadratic.
_MAX_MARKS = 8

_FOLDED = {
    "‘": "'", "’": "'", "‚": "'", "‛": "'", "′": "'", "´": "'", "`": "'", "ʼ": "'", "＇": "'",
    "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "″": '"',
    "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "―": "-", "−": "-", "﹣": "-", "－": "-", "\u00ad": "",
    "\u2028": "\n", "\u2029": "\n", "\u0085": "\n",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Span:
    """A labelled part of a text: code points ``start`` to ``end`` (exclusive); ``score`` is 0..1."""

    start: int
    end: int
    label: str
    score: float = 1.0


@dataclass(frozen=True, slots=True)
class Normalised:
    """Folded text. ``starts[i]`` and ``ends[i]`` tell which original code points character ``i`` came from.

    Both are None where the text is unchanged in length, so that plain ASCII costs nothing.
    """

    text: str
    starts: tuple[int, ...] | None = None
    ends: tuple[int, ...] | None = None

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Offsets in the original text of the non-empty folded range ``start``..``end``."""
        if self.starts is None or self.ends is None:
            return start, end
        return self.starts[start], self.ends[end - 1]


def merge(spans: Iterable[Span]) -> list[Span]:
    """Spans without overlap, in order. Of two that overlap the longer stays, then the one with the higher score."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.start - s.end, -s.score, s.start)):
        if all(span.end <= other.start or other.end <= span.start for other in kept):
            kept.append(span)
    return sorted(kept, key=lambda s: s.start)


def normalise(text: str) -> Normalised:
    """Lower case, NFKC, digits of every script as 0-9, straight quotes and hyphens, invisible characters gone."""
    if text.isascii():
        return Normalised(text.lower())
    characters: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for start, end in _clusters(text):
        for folded in _fold(text[start:end]):
            characters.append(folded)
            starts.append(start)
            ends.append(end)
    return Normalised("".join(characters), tuple(starts), tuple(ends))


def _clusters(text: str) -> Iterable[tuple[int, int]]:
    """Each base character with the combining marks after it: only together can they be composed."""
    start = 0
    for position in range(1, len(text)):
        if not unicodedata.combining(text[position]):
            yield start, position
            start = position
    if text:
        yield start, len(text)


def _fold(cluster: str) -> str:
    if len(cluster) == 1:
        if cluster.isascii():
            return cluster.lower()
        if cluster in _FOLDED:
            return _FOLDED[cluster]
    composed = unicodedata.normalize("NFKC", cluster[: _MAX_MARKS + 1]).lower()
    return "".join(_fold_one(character) for character in composed)


def _fold_one(character: str) -> str:
    if character.isascii():
        return character
    if character in _FOLDED:
        return _FOLDED[character]
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    # Cf: zero-width and bidirectional controls; Mn: variation selectors and marks that composed with nothing.
    return "" if category in ("Cf", "Mn", "Me") else character
