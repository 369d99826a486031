"""Figures in an answer: each amount, fee, rate and deadline must come from a passage or from the question."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, lru_cache

from helios.detection import tables
from helios.detection.spans import normalise

_CITATION = re.compile(r"\[\d{1,2}\]")
_LIST_ITEM = re.compile(r"(?m)^\s*\d{1,2}[.)]\s")
_IDIOM = re.compile(r"\b24\s?/\s?7\b")
_PLACEHOLDER = re.compile(r"\[card ending \d{4}\]|<[a-z_]+_\d+>")
NOTHING = "nothing"
"""The unit of what is said to cost nothing, or to have no deadline: its figure is 0."""
_ZERO = Decimal(0)
_RANGE = re.compile(r"\s?(?:-|to|bis|a|and|or|und|oder|y|o|hasta)\s?")


@dataclass(frozen=True, slots=True)
class Figure:
    """``values`` are the readings of one writing ("1.250" is 1250 and 1.25); ``unit`` is empty for a plain number."""

    values: frozenset[Decimal]
    unit: str
    start: int
    end: int


def find(text: str) -> list[Figure]:
    """Figures of a text, in order; citation markers, numbered lists and placeholders are none."""
    folded = normalise(text)
    clean = folded.text
    for pattern in (_CITATION, _LIST_ITEM, _IDIOM, _PLACEHOLDER):
        clean = pattern.sub(lambda match: re.sub(r"\d", " ", match.group()), clean)
    return [
        Figure(each.values, each.unit, *folded.original(each.start, each.end))
        for each in _with_range_units(clean, list(_figures(clean)))
        # "one of us" is no figure, "one day" is, and so is the first of "one to three days".
        if each.unit or any(map(str.isdigit, clean[each.start : each.end]))
    ]


def without_names(text: str, names: Sequence[str]) -> str:
    """Without the names that hold a figure, such as "Bank 24": it counts nothing, and no fee is said by it either."""
    for name in names:
        if find(name):
            spaced = r"\s+".join(map(re.escape, name.split()))
            text = re.sub(rf"(?<!\w){spaced}(?!\w)", "", text, flags=re.IGNORECASE)
    return text


def ungrounded(text: str, sources: Sequence[str], question: str = "") -> list[Figure]:
    """Figures of ``text`` that no source and not the question holds. A unit must agree where both name one.

    Whoever asks whether it is free has not said that it is: that takes a source.
    """
    figures = find(text)
    if not figures:
        return []
    known = [figure for source in sources for figure in _found_in(source)]
    said = [*known, *_found_in(question)]
    return [
        figure for figure in figures if not any(agree(figure, o) for o in (known if figure.unit == NOTHING else said))
    ]


@lru_cache(256)
def _found_in(source: str) -> tuple[Figure, ...]:
    """The passages of an answer are asked about with each of its windows."""
    return tuple(find(source))


def agree(figure: Figure, other: Figure) -> bool:
    """Whether both may be the same figure: one reading in common, and no two units. Nothing is 0 of any unit."""
    common = figure.values & other.values
    if _ZERO in common and NOTHING in (figure.unit, other.unit):
        return True
    return bool(common) and (not figure.unit or not other.unit or figure.unit == other.unit)


def _figures(text: str) -> Iterator[Figure]:
    units, words = _unit_names(), _word_values()
    for match in _pattern().finditer(text):
        unit = units.get(match["unit"] or "", "") or units.get(match["sign"] or "", "")
        if match["word"]:
            value = Decimal(str(words[match["word"]])) * _multiple(match["times"])
            yield Figure(frozenset({value.normalize()}), unit, match.start(), match.end())
            continue
        values = _readings(match["number"])
        if match["multiple"]:
            values = frozenset((value * _multiple(match["multiple"])).normalize() for value in values)
        yield Figure(values, unit, match.start(), match.end())
    for pattern in _nothing():
        for match in pattern.finditer(text):
            yield Figure(frozenset({_ZERO}), NOTHING, match.start(), match.end())


def _multiple(name: str | None) -> int:
    return int(tables.load("figures")["multiples"][name]) if name else 1


@cache
def _nothing() -> tuple[re.Pattern[str], ...]:
    return tuple(map(re.compile, tables.load("figures")["nothing"]))


def _readings(number: str) -> frozenset[Decimal]:
    """A comma or a full stop may group thousands or begin the decimals."""
    values: set[Decimal] = set()
    digits = number.replace(" ", "").replace("'", "")
    last = max(digits.rfind("."), digits.rfind(","))
    if last < 0:
        return frozenset({Decimal(digits)})
    whole, decimals = re.sub(r"[.,]", "", digits[:last]), digits[last + 1 :]
    if len(decimals) == 3 and re.fullmatch(r"\d{1,3}(?:[.,]\d{3})+", digits):
        values.add(Decimal(whole + decimals))
    if digits.count(digits[last]) == 1:
        values.add(Decimal(f"{whole}.{decimals}").normalize())
    return frozenset(value.normalize() for value in values) or frozenset({Decimal(re.sub(r"[.,]", "", digits))})


def _with_range_units(text: str, figures: list[Figure]) -> list[Figure]:
    """In "5 to 7 business days" the first number has the unit of the second."""
    out = list(figures)
    for index in range(len(out) - 2, -1, -1):
        left, right = out[index], out[index + 1]
        if not left.unit and right.unit and _RANGE.fullmatch(text[left.end : right.start]):
            out[index] = Figure(left.values, right.unit, left.start, left.end)
    return out


@cache
def _pattern() -> re.Pattern[str]:
    names = sorted(_unit_names(), key=len, reverse=True)
    unit = "|".join(re.escape(name) + (r"\b" if name[-1].isalpha() else "") for name in names)
    multiple = "|".join(sorted(tables.load("figures")["multiples"], key=len, reverse=True))
    word = "|".join(sorted(_word_values(), key=len, reverse=True))
    number = r"\d{1,3}(?:[.,' ]\d{3})+(?:[.,]\d{1,2})?(?!\d)|\d+(?:[.,]\d+)?"
    return re.compile(
        rf"(?:(?P<sign>[$€£¥]|usd|eur|gbp|chf)\s?)?(?<![\w.,])(?:(?P<number>{number})(?:\s?(?P<multiple>{multiple})\b)?"
        rf"|(?P<word>{word})\b(?:\s(?P<times>{multiple})\b)?)(?:[\s\-]{{0,2}}(?P<unit>{unit}))?(?![^\W_])"
    )


@cache
def _unit_names() -> dict[str, str]:
    return {name: unit for unit, names in tables.load("figures")["units"].items() for name in names}


@cache
def _word_values() -> dict[str, float]:
    table = tables.load("figures")
    values = {word: value for key in ("words", "teens") for each in table[key].values() for word, value in each.items()}
    for language, tens in table["tens"].items():
        for ten, value in ((name, value) for name, value in tens.items() if name != "joined"):
            values[ten] = value
            for one, more in table["words"][language].items():
                if 1 <= more < 10:
                    values.update({form.format(ten=ten, one=one): value + more for form in tens["joined"]})
    return values
