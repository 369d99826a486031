"""Dates, times and ages in a text, as far as their writing tells; a day of birth is told by the words beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from helios.detection import tables
from helios.detection.spans import Span

DATE_TIME, DATE_OF_BIRTH, AGE = "DATE_TIME", "DATE_OF_BIRTH", "AGE"
_CUE_REACH = 40


def find(text: str) -> Iterator[Span]:
    """Spans in a normalised text."""
    written, birth, born, age = _patterns()
    for match in written.finditer(text):
        near = text[max(0, match.start() - _CUE_REACH) : match.start()]
        told = birth.search(near) or born.match(text[match.end() : match.end() + _CUE_REACH])
        label = DATE_OF_BIRTH if told else DATE_TIME
        yield Span(match.start(), match.end(), label, 0.95)
    for match in age.finditer(text):
        yield Span(match.start("age"), match.end("age"), AGE, 0.9)


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    table = tables.load("personal")["dates"]
    month = "|".join(sorted(table["months"].split(), key=len, reverse=True))
    day, year = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:19|20)\d\d"
    time = r"(?:[ t]\d{1,2}:\d{2}(?::\d{2})?(?:\.\d{1,6})?(?:z|[+\-]\d{2}:?\d{2})?)?"
    numeric = rf"{year}[\-/.]\d{{1,2}}[\-/.]\d{{1,2}}|\d{{1,2}}([\-/.])\d{{1,2}}\1(?:{year}|\d\d)|{day}/{day}"
    named = (
        rf"{day}(?:st|nd|rd|th|\.)?[ \-](?:de |of )?(?:{month})\.?(?:,?[ \-](?:de |del )?{year}|-\d\d)?"
        rf"|(?:{month})\.? ?{day}(?:st|nd|rd|th)?(?:,? {year})?|(?:{month})[ \-]{year}"
    )
    return (
        re.compile(rf"(?<![\w./\-])(?:(?:{numeric}){time}|{named})(?![\w]|[/\-]\d|\.\d)"),
        re.compile(rf"(?:{table['birth']})"),
        re.compile(table["born"]),
        re.compile(table["age"]),
    )
