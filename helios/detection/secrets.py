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
_PHRASE_WORD = re.compile(r"[ ](?P<word>[^\W\d_]{2,24})(?=[ .,!?;]|$)")
_PHRASE_WORDS_MAX = 5


@dataclass(frozen=True, slots=True)
class Masked:
    """``text`` without secrets and the kinds found, in order of appearance, each once.

    ``joined_digits`` is how many digits at the end of the previous message belong to a card number that this
    message completes (0 usually): the caller then masks that message with ``mask_tail``.
    """

    text: str
    labels: tuple[str, ...]
    joined_digits: int = 0


def mask(text: str, previous_tail: str = "") -> Masked:
    """Replace every secret in ``text``; ``previous_tail`` is ``digit_tail`` of the customer's message before it."""
    labels: list[str] = []
    joined = 0
    split = find_split(previous_tail, text) if previous_tail else None
    if split is not None:
        span, joined = split
        labels.append(CARD)
        text = text[: span.start] + _CONTINUED + text[span.end :]
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
    for first, last, _ in cards.find(part):
        yield Span(first, last, CARD)
    for cue, pattern, label in _rules():
        if cue.search(part):
            for match in pattern.finditer(part):
                yield Span(match.start("value"), match.end("value"), label)
    for match in _password().finditer(part):
        end = _password_end(part, match)
        if end is not None:
            yield Span(match.start("value"), end, PASSWORD)


@cache
def _rules() -> tuple[tuple[re.Pattern[str], re.Pattern[str], str], ...]:
    """Each cue of the table, and the pattern of it with its value in a group ``value``."""
    table = tables.load("secrets")
    compiled: list[tuple[re.Pattern[str], re.Pattern[str], str]] = []
    for rule in table["rules"]:
        cue = "(?:" + "|".join(rule["cues"]) + ")"
        value = rule["value"]
        for name, fragment in table["fragments"].items():
            value = value.replace("{" + name + "}", fragment)
        gap = r"(?:[\s:=#\-,'\"*_]+|\b(?:" + "|".join(rule["gap"].split()) + r")\b){1,12}?"
        compiled.append((re.compile(cue), re.compile(f"{cue}{gap}(?P<value>{value})"), rule["label"]))
        if rule["reverse"]:
            after = rf" (?:is|was|=|ist|es) (?:my|the|its|meine?|mi) (?:new |old |card |atm )?{cue}"
            compiled.append((re.compile(cue), re.compile(f"(?P<value>{value}){after}"), rule["label"]))
    return tuple(compiled)


@cache
def _password() -> re.Pattern[str]:
    table = tables.load("secrets")["password"]
    return re.compile(
        rf"(?:{table['cue']})(?:{table['link']})\s*(?:{table['sign']})\s*[\"']?(?P<value>[^\s\[\]\"']{{3,64}})"
    )


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
