"""Spans against the spans that a set says: F2 of partial matches with types, characters left readable, and taken out.

A span counts as found where one of its label covers half of it; a second piece of what is found is no false alarm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from helios.detection.spans import Span

OVERLAP: Final = 0.5
SAME: Final[Mapping[str, frozenset[str]]] = {
    "LOCATION": frozenset({"GPE", "STREET_ADDRESS", "ZIP_CODE"}),
    "URL": frozenset({"URL", "DOMAIN_NAME"}),
    "PHONE_NUMBER": frozenset({"PHONE_NUMBER", "PHONE", "TR_PHONE_NUMBER", "PH_MOBILE_NUMBER"}),
}
"""The labels of a set that a finder's label may mean: Presidio knows one kind of place."""


@dataclass(frozen=True, slots=True)
class Text:
    """`spans` are those that the set says."""

    text: str
    spans: tuple[Span, ...]
    kind: str = ""
    """What the text is about, where the set says it: also of texts without a span."""


@dataclass(slots=True)
class Score:
    found: int = 0
    missed: int = 0
    wrong: int = 0
    over: int = 0
    other: int = 0
    readable: Counter[str] = field(default_factory=Counter)
    characters: Counter[str] = field(default_factory=Counter)

    def f2(self) -> float:
        """Of partial matches with types, 0..1."""
        return 5 * self.found / max(1, 5 * self.found + 4 * self.missed + self.wrong)

    def leak(self, labels: Collection[str] = ()) -> float:
        """The share of the characters of personal data that no span covers; of these labels, or of all."""
        chosen = labels or self.characters.keys()
        return sum(self.readable[each] for each in chosen) / max(1, sum(self.characters[each] for each in chosen))

    def over_redaction(self) -> float:
        """The share of all other characters that a span covers."""
        return self.over / max(1, self.other)


def texts(rows: Iterable[Mapping[str, Any]]) -> list[Text]:
    return [
        Text(
            row["text"],
            tuple(Span(each["start"], each["end"], each["label"]) for each in row["spans"]),
            row.get("recognizer", ""),
        )
        for row in rows
    ]


def score(expected: Sequence[Text], predicted: Iterable[Sequence[Span]]) -> Score:
    total = Score()
    for each, spans in zip(expected, predicted, strict=True):
        _count_spans(total, each.spans, spans)
        _count_characters(total, each, spans)
    return total


def means(predicted: Span, expected: Span) -> bool:
    return expected.label in SAME.get(predicted.label, {predicted.label})


def covers(predicted: Span, expected: Span) -> bool:
    return _overlap(predicted, expected) >= OVERLAP * (expected.end - expected.start)


def _count_spans(total: Score, expected: Sequence[Span], predicted: Sequence[Span]) -> None:
    free = list(predicted)
    for span in expected:
        matches = [each for each in free if means(each, span) and covers(each, span)]
        if matches:
            total.found += 1
            free.remove(max(matches, key=lambda each: _overlap(each, span)))
        else:
            total.missed += 1
    total.wrong += sum(not any(means(each, span) and _overlap(each, span) > 0 for span in expected) for each in free)


def _count_characters(total: Score, expected: Text, predicted: Sequence[Span]) -> None:
    taken = {place for span in predicted for place in range(span.start, span.end)}
    personal: set[int] = set()
    for span in expected.spans:
        places = set(range(span.start, span.end))
        personal |= places
        total.characters[span.label] += len(places)
        total.readable[span.label] += len(places - taken)
    total.over += len(taken - personal)
    total.other += len(expected.text) - len(personal)


def _overlap(one: Span, other: Span) -> int:
    return min(one.end, other.end) - max(one.start, other.start)
