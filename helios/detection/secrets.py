"""What must never be stored: card numbers, card verification codes, PINs, passwords, one-time codes, track data.

The API masks every message with ``mask`` before anything is written. Masked text stays readable, and masking it
again changes nothing. Sources: PCI DSS 4.0 requirement 3 (at most the last four digits; never sensitive
authentication data, not even encrypted).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from helios.detection import cards, tables
from helios.detection.spans import Normalised, Span, merge, normalise

CARD, TRACK, CVV, PIN, PASSWORD, CODE = "CARD", "TRACK_DATA", "CVV", "PIN", "PASSWORD", "ONE_TIME_CODE"

_PLACEHOLDERS = {
    TRACK: "[card track data removed]",
    CVV: "[security code removed]",
    PIN: "[PIN removed]",
    PASSWORD: "[password removed]",
    CODE: "[one-time code removed]",
}
_PLACEHOLDER = re.compile(
    r"\[(?:card ending \d{4}|card track data removed|security code removed|pin removed|password removed"
    r"|one-time code removed|card number continued)\]"
)
_CONTINUED = "[card number continued]"

_TRACK = re.compile(r"%b\d{12,19}\^[^\^\n]{2,26}\^\d{4,60}[^\s?]{0,60}\??|;\d{12,19}=\d{4,40}\??")
_CARD_WORD = re.compile(
    r"\b(?:cards?|(?:kredit|debit|bank)?karten?(?:nummer)?|tarjeta|carte|kart\w{0,6}|visa|mastercard|amex|pan)\b|بطاق"
)
_GOES_ON = re.compile(
    _CARD_WORD.pattern
    + r"|\b(?:other|part|half|ends?|ending|then|second|last|continues?|number|digits?|rest(?:liche[rns]?)?"
    r"|zweite[rns]?|nummer|endet|ziffern|resto|termina|números?|dígitos?|segunda|fin|suite|reste|chiffres|numéro)\b"
)
_ACCESS_KEY = re.compile(
    r"\b(?P<value>(?:sk|rk|pk)-[a-z0-9_\-]{16,200}|ak(?:ia|sa)[a-z0-9]{16}|gh[pousr]_[a-z0-9]{20,200}"
    r"|xox[abprs]-[a-z0-9\-]{10,200})(?![^\W_])"
)
"""What opens an account with a provider of software: OpenAI's and Stripe's, Amazon's, GitHub's, Slack's."""
_PHRASE_WORD = re.compile(r"[ ](?P<word>[^\W\d_]{2,24})(?=[ .,!?;]|$)")
_PHRASE_WORDS_MAX = 5
_CUE_REACH = 100
"""Characters of a message, and of the one before it, in which a cue announces a secret."""


@dataclass(frozen=True, slots=True)
class Masked:
    """``text`` without secrets and the kinds found, in order of appearance, each once.

    ``joined_digits`` is how many digits at the end of the previous message belong to a card number that this
    message completes (0 usually): the caller then masks that message with ``mask_tail``.
    """

    text: str
    labels: tuple[str, ...]
    joined_digits: int = 0


def mask(text: str, previous_tail: str = "", previous: str = "") -> Masked:
    """Replace every secret in ``text``.

    ``previous`` is the customer's message before it, ``previous_tail`` its ``digit_tail``.
    """
    labels: list[str] = []
    joined = 0
    split = find_split(previous_tail, text) if previous_tail else None
    if split is not None:
        span, joined = split
        labels.append(CARD)
        text = text[: span.start] + _CONTINUED + text[span.end :]
    if previous and (announced := find_announced(previous, text)) is not None:
        labels.append(announced.label)
        text = _replace(text, [announced])
    # A mask changes what stands beside it, so look again until nothing is found: masking twice is masking once.
    while spans := find(text):
        labels.extend(span.label for span in spans)
        text = _replace(text, spans)
    return Masked(text, tuple(dict.fromkeys(labels)), joined)


def find(text: str) -> list[Span]:
    """Spans of secrets in ``text``, without overlap and in order; what is already masked is left alone."""
    folded = normalise(text)
    spans: list[Span] = []
    for start, end in _open_parts(folded.text):
        part = folded.text[start:end]
        spans.extend(_original(folded, start, span) for span in _find_in(part))
    return merge(spans)


def trace(text: str) -> Span | None:
    """The first secret in ``text``, or the place where ``mask`` took one out."""
    folded = normalise(text)
    if match := _PLACEHOLDER.search(folded.text):
        return Span(*folded.original(*match.span()), CARD if "card" in match.group() else "SECRET")
    return next(iter(find(text)), None)


def digit_tail(text: str, previous_tail: str = "") -> str:
    """Digits at the end of ``text``, in groups, at most 18: a card number may go on in the next message.

    A message of nothing but digits continues the tail of the one before it.
    """
    folded = normalise(text).text
    run = _last_run(folded)
    if not run or folded[run[-1].end :].strip(" .,-\n\t"):
        return ""
    tail = " ".join(group.digits for group in run)
    if previous_tail and not folded[: run[0].start].strip(" .,-\n\t"):
        tail = f"{previous_tail} {tail}"
    while sum(character.isdigit() for character in tail) > 18:
        tail = tail.partition(" ")[2]
    return tail


def find_split(previous_tail: str, text: str) -> tuple[Span, int] | None:
    """The part of a card number that begins in the previous message: its span here, and its digits there."""
    folded = normalise(text)
    if not previous_tail or not folded.text[:8].strip():
        return None
    prefix = f"{previous_tail} "
    for start, end, _ in cards.find(prefix + folded.text):
        if start < len(previous_tail) < end - 1:
            first, last = folded.original(_skip_separators(folded.text), end - len(prefix))
            return Span(first, last, CARD), sum(c.isdigit() for c in previous_tail[start:])
    return _split_by_words(previous_tail, folded) if _GOES_ON.search(folded.text) else None


def _split_by_words(previous_tail: str, folded: Normalised) -> tuple[Span, int] | None:
    """The same where words stand before the rest: "4111 1111", then "the other part is 1111 1111"."""
    parts = previous_tail.split()
    for first in range(len(parts)):
        before = "".join(parts[first:])
        if groups := cards.scattered(folded.text, before):
            return Span(*folded.original(groups[0].start, groups[-1].end), CARD), len(before)
    return None


def find_announced(previous: str, text: str) -> Span | None:
    """The secret that ``text`` begins with, where the message before it ends with its cue: "my PIN is", then "4711"."""
    cue = f"{previous[-_CUE_REACH:]}\n"
    for span in find(cue + text[:_CUE_REACH]):
        start = span.start - len(cue)
        if start >= 0 and span.label != CARD and not any(map(str.isalnum, text[:start])):
            return Span(start, span.end - len(cue), span.label)
    return None


def mask_tail(text: str, digits: int) -> str:
    """``text`` with its last ``digits`` digits masked: the other half of what ``find_split`` found."""
    folded = normalise(text)
    places = [i for i, character in enumerate(folded.text) if character.isdigit()][-digits:]
    if digits <= 0 or not places:
        return text
    start, end = folded.original(places[0], places[-1] + 1)
    return text[:start] + _CONTINUED + text[end:]


def _skip_separators(text: str) -> int:
    return next((i for i, character in enumerate(text) if character.isalnum()), 0)


def _last_run(text: str) -> list[cards.Group]:
    last: list[cards.Group] = []
    for run in cards.digit_runs(text):
        last = run
    return last


def _open_parts(text: str) -> Iterator[tuple[int, int]]:
    position = 0
    for match in _PLACEHOLDER.finditer(text):
        if match.start() > position:
            yield position, match.start()
        position = match.end()
    if position < len(text):
        yield position, len(text)


def _original(folded: Normalised, offset: int, span: Span) -> Span:
    start, end = folded.original(offset + span.start, offset + span.end)
    return Span(start, end, span.label, span.score)


def _find_in(part: str) -> Iterator[Span]:
    for match in _TRACK.finditer(part):
        yield Span(match.start(), match.end(), TRACK)
    whole = cards.find(part)
    for first, last, _ in whole:
        yield Span(first, last, CARD)
    digits = any(map(str.isdigit, part))
    for rule in _rules():
        if (digits or rule.spelled) and any(sign in part for sign in rule.signs) and rule.cue.search(part):
            for pattern in rule.patterns:
                for match in pattern.finditer(part):
                    yield Span(match.start("value"), match.end("value"), rule.label)
    if digits and _CARD_WORD.search(part) and not whole:
        for group in cards.scattered(part):
            yield Span(group.start, group.end, CARD)
    yield from _passwords(part)


def _passwords(part: str) -> Iterator[Span]:
    for match in _password().finditer(part):
        end = _password_end(part, match)
        if end is not None:
            yield Span(match.start("value"), end, PASSWORD)
    for pattern in (_bare_password(), _ACCESS_KEY):
        for match in pattern.finditer(part):
            yield Span(match.start("value"), match.end("value"), PASSWORD)


@dataclass(frozen=True, slots=True)
class _Rule:
    """``signs``: every cue holds one of them, which is found sooner. ``spelled``: the value may be in words."""

    label: str
    signs: tuple[str, ...]
    cue: re.Pattern[str]
    patterns: tuple[re.Pattern[str], ...]
    spelled: bool


@cache
def _rules() -> tuple[_Rule, ...]:
    """The rules of the table; each pattern has its value in a group ``value``."""
    table = tables.load("secrets")
    named = "|".join(word for word, digits in cards.digit_words().digits.items() if len(digits) == 1)
    compiled: list[_Rule] = []
    for rule in table["rules"]:
        cue = "(?:" + "|".join(rule["cues"]) + ")"
        value = rule["value"].replace("{digit}", rf"(?:\d|{named})").replace("{no_amount}", table["no_amount"])
        gap = r"(?:[\s:=#\-,'\"*_>→➡👉]+|\b(?:" + "|".join(rule["gap"].split()) + r")\b){1,16}?"
        after = (
            rf"[ ,;(]{{1,3}}(?:is|was|that's|thats|that is|this is|=|ist|das ist|es)"
            rf" (?:my|the|its|meine?|mi|la) (?:new |old |card |atm )?{cue}"
        )
        patterns = (re.compile(f"{cue}{gap}(?P<value>{value})"), re.compile(f"(?P<value>{value}){after}"))
        spelled = "{digit}" in rule["value"]
        compiled.append(_Rule(rule["label"], tuple(rule["signs"].split()), re.compile(cue), patterns, spelled))
    return tuple(compiled)


@cache
def _password() -> re.Pattern[str]:
    table = tables.load("secrets")["password"]
    return re.compile(
        rf"(?:{table['cue']})(?:{table['link']})\s*(?:{table['sign']})\s*[\"']?(?P<value>[^\s\[\]\"']{{3,64}})"
    )


@cache
def _bare_password() -> re.Pattern[str]:
    """Without a verb, as Turkish and Arabic say it: then letters and digits must be mixed."""
    cue = tables.load("secrets")["password"]["cue"]
    mixed = r"(?=\S{0,40}\d)(?=\S{0,40}[^\W\d_])"
    return re.compile(rf"(?:{cue})[ ][\"']?(?P<value>{mixed}[^\s\[\]\"']{{4,64}}(?<![.,;:]))")


@cache
def _word_list(name: str) -> frozenset[str]:
    return tables.words(tables.load("secrets")["password"][name])


def _password_end(part: str, match: re.Match[str]) -> int | None:
    """Where the password ends; None when the sentence speaks about the password."""
    value: str = match["value"]
    bare = value.rstrip(".,;!?)")
    if not bare or bare in _word_list("not_values"):
        return None
    if not bare.isalpha():
        return int(match.end("value")) if value[-1] in "!?" else int(match.start("value")) + len(bare)
    end = int(match.start("value")) + len(bare)
    for _ in range(_PHRASE_WORDS_MAX if bare == value else 0):
        word = _PHRASE_WORD.match(part, end)
        if word is None or word["word"] in _word_list("connectors"):
            break
        end = word.end()
    return end


def _replace(text: str, spans: list[Span]) -> str:
    pieces: list[str] = []
    position = 0
    for span in spans:
        pieces.append(text[position : span.start])
        pieces.append(placeholder(text[span.start : span.end], span.label))
        position = span.end
    pieces.append(text[position:])
    return "".join(pieces)


def placeholder(value: str, label: str) -> str:
    """What stands in the place of a secret: the last four digits of a card, nothing of anything else."""
    if label != CARD:
        return _PLACEHOLDERS[label]
    folded = normalise(value).text
    written = "".join(group.digits for run in cards.digit_runs(folded) for group in run)
    digits = next((found for _, _, found in cards.find(folded)), written)
    return f"[card ending {digits[-4:]}]" if len(digits) >= cards.SHORTEST else _CONTINUED
