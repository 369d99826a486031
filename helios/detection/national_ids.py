"""National, tax, bank and register numbers of many countries, by form, check digit and the words beside them.

One number may be several: nine digits are an Australian tax number and a Canadian insurance number. Every reading is
given; readings with a cue beside them put those without aside.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module

from helios.detection import check_digits, tables
from helios.detection.spans import Normalised, Span, normalise

CUED, SURE, BARE = 0.95, 0.8, 0.5
"""How sure a reading is: beside a cue, by its check digit or a form of its own, by nothing but its form."""
_BEFORE, _AFTER = 48, 32
_WHOLE_LETTERS = 4
_BARE_WORDS = 4
"""A message of at most so many words beside its numbers is about the numbers."""
_WORDS = re.compile(r"[^\W\d_]{2,}(?![\w@])")
_NUMBER = re.compile(r"[^\W_]*\d")


@dataclass(frozen=True, slots=True)
class Form:
    label: str
    pattern: re.Pattern[str]
    cue: re.Pattern[str]
    check: Callable[[str], bool] | None
    alone: bool


def find(folded: Normalised, written: str) -> Iterator[Span]:
    """Readings of the numbers in a text, in offsets of its normalised form; those of one number overlap."""
    text = folded.text
    if not _NUMBER.search(text):
        return
    bare = sum(1 for _ in _WORDS.finditer(re.sub(r"\S*\d\S*", " ", text))) <= _BARE_WORDS
    for form in forms():
        for match in form.pattern.finditer(text):
            start, end = match.span()
            # A few checks need the letters' case, which the normalised text has lost.
            if form.check is not None and not form.check(written[slice(*folded.original(start, end))]):
                continue
            near = text[max(0, start - _BEFORE) : start] + " " + text[end : end + _AFTER]
            if form.cue.search(near):
                yield Span(start, end, form.label, CUED)
            elif form.alone:
                yield Span(start, end, form.label, SURE)
            elif bare:
                yield Span(start, end, form.label, BARE if form.check is None else SURE)


@cache
def labels() -> frozenset[str]:
    return frozenset(form.label for form in forms())


@cache
def forms() -> tuple[Form, ...]:
    """Every row of the table, compiled."""
    return tuple(
        Form(
            row["label"],
            re.compile(rf"(?<![^\W_])(?<!\d[-./])(?:{row['form']})(?![^\W_])(?!-\d)"),
            _cue(row["cue"]),
            _check(row.get("check")),
            bool(row.get("alone")),
        )
        for row in tables.load("national_ids")
    )


def _cue(words: str) -> re.Pattern[str]:
    """A cue of up to four letters is a whole word, a longer one may go on: "steuer" is in "Steuernummer"."""
    whole = [rf"(?:{word})(?![^\W\d_])" if len(word) <= _WHOLE_LETTERS else word for word in words.split("|")]
    return re.compile(rf"(?<![^\W\d_])(?:{'|'.join(whole)})")


def _check(name: str | None) -> Callable[[str], bool] | None:
    if name is None:
        return None
    module, _, function = name.rpartition(".")
    if module == "own":
        return _guarded(getattr(check_digits, function), lower=function != "bitcoin")
    return _guarded(import_module(f"stdnum.{name}").is_valid)


def _guarded(check: Callable[[str], bool], *, lower: bool = True) -> Callable[[str], bool]:
    """Letters and marks in places where a check expects digits mean that it does not hold."""

    def holds(text: str) -> bool:
        try:
            text = normalise(text).text if lower else text
            return bool(check(text.replace(":", "").replace("_", "")))
        except (ValueError, IndexError):
            return False

    return holds
