"""Countries and nationalities in a text, by their names in places.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from helios.detection import tables
from helios.detection.spans import Span

GPE, NRP = "GPE", "NRP"
_SCORES = {GPE: 0.7, NRP: 0.9}  # Jordan and Chad are people's names as well: the tagger has the first word there


def find(text: str) -> Iterator[Span]:
    """Spans in a normalised text."""
    for label, pattern in _patterns():
        for match in pattern.finditer(text):
            yield Span(match.start(), match.end(), label, _SCORES[label])


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    table = tables.load("places")
    countries = [re.escape(name.strip()) for name in table["countries"].split(";") if len(name.strip()) > 2]
    people = [re.escape(name) for name in table["nationalities"].split()]
    return (
        (GPE, _words(countries, "")),
        (NRP, _words(people, "s?")),
    )


def _words(names: list[str], ending: str) -> re.Pattern[str]:
    longest_first = sorted(names, key=len, reverse=True)
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(longest_first)}){ending}(?![^\W_])")
