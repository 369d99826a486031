"""Personal data in a text: what patterns, checksums and cues tell, together with what the tagger says."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

import phonenumbers
from stdnum.us import ssn

from helios.detection import cards, dates, iban, national_ids, network_names, places, tables
from helios.detection.spans import Normalised, Span, normalise

CARD, EMAIL, PHONE, IBAN, US_SSN, PERSON, ACCOUNT = (
    "CARD", "EMAIL", "PHONE", "IBAN", "US_SSN", "PERSON", "ACCOUNT",
)  # fmt: skip

_EMAIL = re.compile(
    r"(?<![\w.+\-])[a-z0-9](?:[\w.+\-]{0,62}[a-z0-9_+\-])?@(?:[^\W_](?:[^\W_]|-{1,2}(?=[^\W_])){0,62}\.){1,8}(?:[^\W\d_]{2,24}|xn--[a-z0-9\-]{2,40})(?![\w\-])"
)
_SSN = re.compile(r"(?<![\d\-])\d{3}[\- ]\d{2}[\- ]\d{4}(?![\d\-])")
_SPOKEN_EMAIL = re.compile(
    r"(?<![\w.])[a-z0-9][\w.\-]{1,40} (?:at|\(at\)|\[at\]) [a-z0-9\-]{2,40} (?:dot|\(dot\)|\[dot\]) [a-z]{2,10}\b"
)
_INTERNATIONAL = re.compile(r"(?<![\w+])(?P<value>\+[1-9](?:[ ().\-/]{0,2}\d){6,14}(?:x\d{1,6})?)(?!\w)")
_NAME_WORD = re.compile(r"(?:[^\W\d_]+(?:['\-][^\W\d_]+)*|[^\W\d_]\.)(?=[\s,.!?;:)\"]|$)")
_NAME_WORDS_MAX = 3
_PARTICLES = frozenset({"van", "von", "de", "del", "der", "den", "la", "di", "da", "el", "al", "bin", "zu"})
_PHONE_DIGITS_MIN = 7
SURE = 0.8
"""From this score on a reading rests on a check digit, a form of its own or a cue: it stands against the tagger's."""
_NUMBERS = frozenset({PHONE, CARD, ACCOUNT, "AGE", "ZIP_CODE"})
_MATCHES_MAX = 20


def find(text: str, language: str | None = None, tagged: Sequence[Span] = ()) -> list[Span]:
    """Spans that say who somebody is, without overlap and in order; ``language`` chooses telephone numbers' regions.

    ``tagged`` is what the tagger found in the text (helios/models/tagger.py): without it, names stand only where a
    cue announces them.
    """
    return [span for span in find_all(text, language, tagged) if span.label not in context_labels()]


def find_all(text: str, language: str | None = None, tagged: Sequence[Span] = ()) -> list[Span]:
    """Like ``find``, with places, companies, dates and the like as well."""
    return settle([each for each in readings(text, language) if each.score > national_ids.BARE], tagged, text)


def readings(text: str, language: str | None = None) -> list[Span]:
    """Everything that patterns, checks and cues find: spans may overlap, and one number may be several things."""
    folded = normalise(text)
    spans = [_original(folded, span) for detector in _DETECTORS for span in detector(folded.text)]
    spans.extend(_original(folded, span) for span in national_ids.find(folded, text))
    spans.extend(_phones(text, language))
    spans.extend(_persons(text, folded))
    return spans


def settle(found: Iterable[Span], tagged: Iterable[Span], text: str) -> list[Span]:
    """Spans without overlap: sure readings stand, then the tagger's, then the others; of equals the longer.

    What a span covers beyond a surer one stays covered, so that no piece of a value is left to read.
    """
    ranked = [(2 if span.score >= SURE else 0, span) for span in found] + [(1, span) for span in tagged]
    kept: list[Span] = []
    for _, span in sorted(ranked, key=lambda each: (-each[0], each[1].start - each[1].end, each[1].start)):
        kept.extend(piece for piece in _uncovered(span, kept) if _says_something(piece, text))
    return sorted(kept, key=lambda each: each.start)


def _uncovered(span: Span, kept: Sequence[Span]) -> Iterator[Span]:
    position = span.start
    for other in sorted(kept, key=lambda each: each.start):
        if other.end <= position or other.start >= span.end:
            continue
        if other.start > position:
            yield Span(position, other.start, span.label, span.score)
        position = max(position, other.end)
    if position < span.end:
        yield Span(position, span.end, span.label, span.score)


def _says_something(piece: Span, text: str) -> bool:
    wanted = str.isdigit if piece.label in _NUMBERS else str.isalnum
    return any(wanted(character) for character in text[piece.start : piece.end])


@cache
def context_labels() -> frozenset[str]:
    return tables.words(tables.load("personal")["context"])


def _cards(text: str) -> Iterator[Span]:
    for start, end, _ in cards.find(text):
        yield Span(start, end, CARD, 1.0)


def _emails(text: str) -> Iterator[Span]:
    if "@" in text:
        for match in _EMAIL.finditer(text):
            yield Span(match.start(), match.end(), EMAIL, 1.0)
    for match in _SPOKEN_EMAIL.finditer(text):
        yield Span(match.start(), match.end(), EMAIL, 0.7)


def _ibans(text: str) -> Iterator[Span]:
    for start, end in iban.find(text):
        yield Span(start, end, IBAN, 1.0)


def _ssns(text: str) -> Iterator[Span]:
    for match in _SSN.finditer(text):
        if ssn.is_valid(match.group().replace(" ", "-")):
            yield Span(match.start(), match.end(), US_SSN, 0.9)
    for match in _pattern("ssn_cue").finditer(text):
        yield Span(match.start(1), match.end(1), US_SSN, 0.95)


def _accounts(text: str) -> Iterator[Span]:
    for match in _account().finditer(text):
        yield Span(match.start("value"), match.end("value"), ACCOUNT, 0.9)


_DETECTORS = (_cards, _emails, _ibans, _ssns, _accounts, network_names.find, dates.find, places.find)


def _phones(text: str, language: str | None) -> Iterator[Span]:
    """Telephone numbers that exist, in the ways of the language's regions (all of them when it is unknown)."""
    if sum(character.isdigit() for character in text) < _PHONE_DIGITS_MIN:
        return
    yield from _written_like_phones(text)
    by_language = tables.load("personal")["regions"]
    regions = by_language.get(language) or [region for group in by_language.values() for region in group]
    for region in regions:
        for match in phonenumbers.PhoneNumberMatcher(text, region, phonenumbers.Leniency.VALID, max_tries=_MATCHES_MAX):
            yield Span(match.start, match.end, PHONE, 0.8)


def _written_like_phones(text: str) -> Iterator[Span]:
    folded = normalise(text)
    for pattern, score in ((_INTERNATIONAL, 0.7), (_phone_cue(True), 0.9), (_phone_cue(False), 0.9)):
        for match in pattern.finditer(folded.text):
            start, end = match.span("value")
            if sum(character.isdigit() for character in match["value"]) >= _PHONE_DIGITS_MIN:
                yield Span(*folded.original(start, end), PHONE, score)


@cache
def _phone_cue(before: bool) -> re.Pattern[str]:
    table = tables.load("personal")["phone"]
    value = f"(?P<value>{table['value']})"
    return re.compile(f"{table['before']}{value}" if before else f"{value}{table['after']}")


def _persons(text: str, folded: Normalised) -> Iterator[Span]:
    for cue, any_case in (("sure", True), ("title", False), ("likely", False), ("signature", False)):
        for match in _pattern("name", cue).finditer(folded.text):
            end = _name_end(text, folded, match.end(), any_case)
            if end is not None and (cue != "likely" or _stands_alone(folded.text, match, end)):
                yield Span(*folded.original(match.end(), end), PERSON, 0.75 if cue == "sure" else 0.7)


def _name_end(text: str, folded: Normalised, start: int, any_case: bool) -> int | None:
    """The end of a name of up to three words that begins at ``start``; a capital begins each unless ``any_case``."""
    end, position, words = None, start, 0
    while words < _NAME_WORDS_MAX and (match := _NAME_WORD.match(folded.text, position)):
        word = match.group()
        first, _ = folded.original(match.start(), match.end())
        particle = word in _PARTICLES
        if not particle and (word in _not_names() or not (any_case or _capitalised(text[first : first + len(word)]))):
            break
        words += not particle
        end = end if particle else match.end()
        position = match.end() + 1
        if folded.text[match.end() : position] not in (" ", "."):
            break
        if folded.text[position - 1] == ".":
            break
    return end


def _capitalised(word: str) -> bool:
    """Written as a name is: "Peter", "O'Neill", "J.", and neither "peter" nor "NEXT"."""
    return word[:1].isupper() and (len(word) <= 2 or not word.isupper())


def _stands_alone(text: str, match: re.Match[str], end: int) -> bool:
    """After an everyday cue one capital letter is too little: the name has two words or a pause behind it."""
    name = text[match.end() : end]
    rest = text[end:].lstrip()
    cue = match.group().split()[-1]
    if cue in ("to", "from", "by", "with", "an", "von"):
        return " " in name
    return (
        " " in name or not rest or rest[0] in ",.!?\n" or bool(re.match(r"(?:speaking|here|from|calling|and)\b", rest))
    )


@cache
def _pattern(*path: str) -> re.Pattern[str]:
    entry = tables.load("personal")
    for name in path:
        entry = entry[name]
    return re.compile(entry)


@cache
def _account() -> re.Pattern[str]:
    table = tables.load("personal")["account"]
    return re.compile(f"(?:{table['cue']}){table['gap']}(?P<value>{table['value']})")


@cache
def _not_names() -> frozenset[str]:
    return tables.words(tables.load("personal")["name"]["not_names"])


def _original(folded: Normalised, span: Span) -> Span:
    start, end = folded.original(span.start, span.end)
    return Span(start, end, span.label, span.score)
