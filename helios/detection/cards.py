"""Payment card numbers in free text: digit runs with tolerant separators, issuer ranges and the Luhn check.

A number counts where 13 to 19 digits (12 for a few old Maestro ranges) stand in one run, begin with an issuer range
of that length (ISO/IEC 7812, the networks' published ranges) and pass Luhn. Digits may be written as words.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

from helios.detection import iban, tables

# Digits with the letters that are typed for them (o for 0, l and i for 1), or a word that may be a digit word.
_ATOM = re.compile(r"[oli]*\d[\doli]*|[^\W\d_]+")
_SEPARATORS = frozenset(" \t\r\n-.,/_*|:·•~+=\\()'\"`")
_MAX_GAP = 5
# What is pasted from a page may bring its marks along: line breaks, cells, spaces that are written out.
_MARKS = re.compile(r"(?:[ \t\r\n]|</?[a-z]{1,6} ?/?>|&(?:nbsp|ensp|emsp|thinsp);){1,12}")
_DOUBLED = str.maketrans("0123456789", "0246813579")  # twice the digit, its digits added
_LETTER_DIGITS = str.maketrans("oli", "011")


@dataclass(frozen=True, slots=True)
class Group:
    """Digits that stand together: in the text they take ``start`` to ``end``."""

    start: int
    end: int
    digits: str


@dataclass(frozen=True, slots=True)
class DigitWords:
    """``digits``: word to digits; ``tens``: word to the first of two digits; ``repeats``: how often the next counts."""

    digits: Mapping[str, str]
    tens: Mapping[str, str]
    repeats: Mapping[str, int]


@cache
def digit_words() -> DigitWords:
    """The words of every language that name digits."""
    table = tables.load("digit_words")
    digits = {word: str(value) for language in table["digits"].values() for word, value in language.items()}
    return DigitWords(digits, {word: str(value) for word, value in table["tens"].items()}, table["repeats"])


def _ranges() -> list[int]:
    """For each first four digits a bit set of the lengths in use: bit n is set where n digits are."""
    table = [0] * 10_000
    rules: tuple[tuple[int, int, tuple[int, ...]], ...] = (
        (4000, 4999, (13, 16, 19)),  # Visa
        (5100, 5599, (16,)), (2221, 2720, (16,)),  # Mastercard
        (3400, 3499, (15,)), (3700, 3799, (15,)),  # American Express
        (3000, 3059, (14, 16)), (3600, 3699, (14, 16)), (3800, 3999, (14, 16)),  # Diners Club
        (6011, 6011, (16, 19)), (6440, 6599, (16, 19)),  # Discover
        (3500, 3599, (16, 19)), (1800, 1800, (15,)), (2131, 2131, (15,)),  # JCB
        (6200, 6299, (16, 17, 18, 19)),  # UnionPay
        (2200, 2204, (16, 17, 18, 19)),  # Mir
        (5018, 5018, (12, 13, 16, 19)), (5020, 5020, (12, 13, 16, 19)), (5038, 5038, (12, 13, 16, 19)),  # Maestro
        (5893, 5893, (12, 13, 16, 19)), (6304, 6304, (12, 13, 16, 18, 19)), (6390, 6390, (12, 16, 19)),
        (6759, 6759, (12, 13, 16, 18, 19)), (6761, 6763, (12, 13, 16, 18, 19)), (6767, 6767, (16, 18, 19)),
        (5019, 5019, (16,)), (5060, 5061, (16, 19)), (9792, 9792, (16,)), (6060, 6089, (16,)),
        (6370, 6379, (16,)), (5067, 5067, (16,)),  # Dankort, Verve, Troy, RuPay, InstaPayment, Elo
    )  # fmt: skip
    for first, last, lengths in rules:
        for prefix in range(first, last + 1):
            for length in lengths:
                table[prefix] |= 1 << length
    return table


_LENGTHS = _ranges()
SHORTEST, _LONGEST = 12, 19
_ANY_LENGTH = (1 << _LONGEST + 1) - (1 << SHORTEST)
_PART, _PARTS_MAX = range(4, SHORTEST + 1), 4
"""How many digits stand together, and how often, where a card number has words between its parts."""
_LONGEST_PHONE = 15  # ITU-T E.164


def luhn(digits: str) -> bool:
    """Whether the last digit is the Luhn check digit of the others (ISO/IEC 7812-1, annex B)."""
    return (sum(map(int, digits[::-2])) + sum(map(int, digits[-2::-2].translate(_DOUBLED)))) % 10 == 0


def is_card(digits: str) -> bool:
    """Whether the digits are a possible card number: issuer range, length and check digit."""
    return (
        SHORTEST <= len(digits) <= _LONGEST and bool(_LENGTHS[int(digits[:4])] >> len(digits) & 1) and _checked(digits)
    )


# After one of these the issuer range does not matter: private label, airline (UATP) and retired ranges are in use.
_CUE = re.compile(r"\b(?:(?:credit|debit|bank)?[ ]?cards?|kreditkarte|karten?|tarjeta|pan)\b[^\d\n]{0,30}$")
_CUE_REACH = 48


def digit_runs(text: str) -> Iterator[list[Group]]:
    """Groups of digits with nothing but separators between them. ``text`` is normalised."""
    run: list[Group] = []
    for group in _groups(text):
        if run and not _joined(text, run[-1].end, group.start):
            yield run
            run = []
        run.append(group)
    if run:
        yield run


def find(text: str) -> list[tuple[int, int, str]]:
    """Start, end and digits of each card number in a normalised text; IBANs are left alone."""
    accounts = list(iban.find(text))
    found: list[tuple[int, int, str]] = []
    for run in digit_runs(text):
        if sum(len(group.digits) for group in run) < SHORTEST:
            continue
        for start, end, digits in _in_run(text, run):
            if not any(start < last and first < end for first, last in accounts):
                found.append((start, end, digits))
    return found


def scattered(text: str, before: str = "") -> list[Group]:
    """The groups of a card number that has words between them: "4111 1111 and then 1111 1111". None where there is no
    such number. `before`: digits that an earlier message ended with.
    """
    groups = [group for run in digit_runs(text) for group in run if len(group.digits) in _PART]
    for first in range(len(groups) if not before else 1):
        digits = before
        for last in range(first, min(first + _PARTS_MAX, len(groups))):
            digits += groups[last].digits
            if len(digits) > SHORTEST and is_card(digits):
                return groups[first : last + 1]
    return []


def _groups(text: str) -> Iterator[Group]:
    """Digit groups in order; a word counts as the digits it names, 'double four' as 44, 'forty one' as 41."""
    words = digit_words()
    repeat, tens = None, None
    for match in _ATOM.finditer(text):
        atom, start, end = match.group(), match.start(), match.end()
        held, repeat = (repeat if repeat and start - repeat[1] <= 1 else None), None
        ten, tens = (tens if tens and start - tens[1] <= 1 else None), None
        if atom in words.repeats:
            repeat = (start, end, words.repeats[atom])
        elif atom in words.tens:
            tens = (start, end, words.tens[atom])
        digits = words.digits.get(atom) or _digits(atom)
        if ten and (not digits or len(digits) > 1 or atom.isdigit()):
            yield Group(ten[0], ten[1], ten[2] + "0")
            ten = None
        if digits and ten:
            yield Group(ten[0], end, ten[2] + digits)
        elif digits and held and len(digits) == 1:
            yield Group(held[0], end, digits * held[2])
        elif digits:
            yield Group(start, end, digits)
    if tens:
        yield Group(tens[0], tens[1], tens[2] + "0")


def _digits(atom: str) -> str | None:
    if atom.isdecimal():
        return atom
    return atom.translate(_LETTER_DIGITS) if any(c.isdecimal() for c in atom) else None


def _joined(text: str, end: int, start: int) -> bool:
    between = text[end:start]
    if len(between) <= _MAX_GAP and all(character in _SEPARATORS for character in between):
        return True
    return between[0] in "<& \r\n\t" and _MARKS.fullmatch(between) is not None


def _in_run(text: str, run: list[Group]) -> Iterator[tuple[int, int, str]]:
    """Cards that begin and end with a group; where two begin with the same group, the longer."""
    digits = "".join(group.digits for group in run)
    offsets = [0, *accumulate(len(group.digits) for group in run)]
    group_ending = {offset: index for index, offset in enumerate(offsets[1:])}
    first = 0
    while first < len(run):
        head, offset = run[first], offsets[first]
        if len(head.digits) > _LONGEST:
            if card := _inside_long(head.digits):
                yield head.start, head.end, card
        elif lengths := _lengths(text, head, digits[offset : offset + 4]):
            for length in range(_LONGEST, SHORTEST - 1, -1):
                last = group_ending.get(offset + length)
                if lengths >> length & 1 and last is not None and _checked(digits[offset : offset + length]):
                    if not _plausible(text, run, first, last):
                        continue
                    yield head.start, run[last].end, digits[offset : offset + length]
                    first = last
                    break
        first += 1


def _lengths(text: str, head: Group, prefix: str) -> int:
    """Bit set of the lengths that a card beginning with ``prefix`` at ``head`` may have."""
    if len(head.digits) >= SHORTEST and _CUE.search(text[max(0, head.start - _CUE_REACH) : head.start]):
        return _ANY_LENGTH
    return _LENGTHS[int(prefix)]


def _checked(digits: str) -> bool:
    return len(set(digits)) > 1 and luhn(digits)


def _inside_long(digits: str) -> str | None:
    """A card at the beginning or the end of more digits than any card has: the whole group is then masked."""
    for length in (16, 15):
        for part in (digits[:length], digits[-length:]):
            if is_card(part):
                return part
    return None


def _plausible(text: str, run: list[Group], first: int, last: int) -> bool:
    """Whether the groups look like one number and not like neighbours that add up to one.

    Usual groupings count anywhere. Unusual ones count when they are the whole run and it is no telephone number.
    """
    sizes = [len(group.digits) for group in run[first : last + 1]]
    international = first == 0 and text[max(0, run[0].start - 1) : run[0].start] == "+"
    if international and sum(sizes) <= _LONGEST_PHONE:
        return False
    if len(sizes) == 1 or (len(set(sizes[:-1])) == 1 and sizes[-1] <= sizes[0]) or sizes in ([4, 6, 5], [4, 6, 4]):
        return True
    bracketed = text[max(0, run[0].start - 1) : run[0].start] == "("
    return first == 0 and last == len(run) - 1 and not international and not bracketed
