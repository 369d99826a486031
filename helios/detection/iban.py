"""International bank account numbers: ISO 13616 lengths and the ISO 7064 mod 97-10 check."""

import re
from collections.abc import Iterator, Mapping
from functools import cache

import stdnum.iban

from helios.detection import tables

_START = re.compile(r"(?<![^\W_])[a-z]{2}[ \-]?\d[ \-]?\d(?=[ \-]?[a-z0-9])")
_SEPARATORS = " -\u00a0"


def find(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each IBAN with a valid check in ``text``, which must be in lower case (see ``normalise``)."""
    lengths = _lengths()
    position = 0
    while match := _START.search(text, position):
        position = match.end()
        length = lengths.get(text[match.start() : match.start() + 2])
        end = _end(text, match.start(), length) if length else None
        if end is not None:
            yield match.start(), end
            position = end


def valid(compact: str) -> bool:
    """Whether letters and digits without separators hold the check and are built as the country's numbers are: else a
    code and the words behind it may pass for one."""
    return bool(stdnum.iban.is_valid(compact, check_country=False))


@cache
def _lengths() -> Mapping[str, int]:
    return {country: length for length, countries in tables.load("iban").items() for country in countries.split()}


def _end(text: str, start: int, length: int) -> int | None:
    characters: list[str] = []
    separators = 0
    for position in range(start, len(text)):
        character = text[position]
        if character.isascii() and character.isalnum():
            characters.append(character)
            separators = 0
            if len(characters) == length:
                after = text[position + 1 : position + 2]
                whole = not (after and after.isalnum())
                return position + 1 if whole and valid("".join(characters)) else None
        elif character in _SEPARATORS and separators < 2:
            separators += 1
        else:
            return None
    return None
