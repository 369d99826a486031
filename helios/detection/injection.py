"""Situation 24: instructions aimed at the assistant instead of questions to the bank.

Rules give evidence, and their scores add up. Text that is hidden by an encoding is decoded and judged again. Where
the rules see nothing, a trained detector may: of the whole message with its sentence vector, and of each part of a long
one, since an instruction inside a letter is little of the letter.
Sources: OWASP LLM01 (prompt injection) and LLM07 (system prompt leakage).
"""

import base64
import binascii
import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from helios.detection import learned, tables
from helios.detection.features import Grams, grams, readable
from helios.detection.learned import Floats
from helios.detection.phrasebook import PhraseBook, Reading, read, read_rules
from helios.detection.spans import Span, normalise

_BASE64 = re.compile(r"(?<![A-Za-z0-9+/=_\-])[A-Za-z0-9+/_\-]{16,4000}={0,2}(?![A-Za-z0-9+/=_\-])")
_HEX = re.compile(r"(?:(?:0x|\\x|%)?[0-9a-fA-F]{2}[ ,]?){12,2000}")
# Of words like these a text turned back into English holds some, and one that never was turned hardly ever does.
_COMMON = tables.words("the and all you your of in is are now ignore previous instructions system prompt rules show")
_STRONG = 0.5  # a single rule of this score decides for decoded text, where weak words mean little
_CLEAR = 0.9  # one rule alone is not enough against an article that a person has approved
_CHARACTERS_MAX = 12_000
_PART, _PARTS_MAX = 280, 80
_PART_END = re.compile(r"[.!?。！？]+\s+|\n+|(?<=>)")


@dataclass(frozen=True, slots=True)
class Injection:
    """``score`` is 0..1; ``span`` is where the strongest evidence stands."""

    kind: str
    rule_id: str
    score: float
    span: Span


@dataclass(frozen=True, slots=True)
class _Evidence:
    kind: str
    rule_id: str
    score: float
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What was made of a text before, so that it is made once: ``vector`` is the encoder's, (384,) of unit length."""

    reading: Reading | None = None
    vector: Floats | None = None
    grams: Grams | None = None


def find_injection(text: str, seen: Seen = Seen()) -> Injection | None:
    """The attack in ``text``, if the evidence is enough. Without a vector only rules and the parts are asked."""
    return _by_rules(text[:_CHARACTERS_MAX], seen.reading) or _by_training(text[:_CHARACTERS_MAX], seen)


def find_planted(text: str) -> Injection | None:
    """An attack in an article of the bank: several rules must agree. Articles command their readers all the time, which
    the trained heads can't tell from an attack."""
    attack = _by_rules(text[:_CHARACTERS_MAX], None)
    return attack if attack is not None and attack.score > _CLEAR else None


def _by_rules(text: str, reading: Reading | None) -> Injection | None:
    reading = reading if reading is not None and reading.length == len(text) else read(text)
    evidence = list(_evidence(text, reading))
    verdict = _judge(evidence, tables.load("injection")["threshold"])
    if verdict is not None:
        return verdict
    for decoded, start, end in _decoded(text):
        if hidden := list(_evidence(decoded, read(decoded), _STRONG)):
            strongest = max(hidden, key=lambda found: found.score)
            span = Span(start, end, "INJECTION", strongest.score)
            return Injection("encoded", strongest.rule_id, strongest.score, span)
    return None


def _by_training(text: str, seen: Seen) -> Injection | None:
    if seen.vector is not None:
        vector = seen.vector if readable(text) else None
        for _, score in learned.load("injection").found(seen.grams or grams(text), vector):
            return Injection("learned", "learned.message", round(score, 4), Span(0, len(text), "INJECTION", score))
    if len(text) <= _PART:
        return None
    windows, parts = learned.load("injection_windows"), _parts(text)
    scored = [(score, part) for part in parts for _, score in windows.found(grams(text[slice(*part)]), None)]
    if not scored:
        return None
    score, (start, end) = max(scored)
    return Injection("learned", "learned.part", round(score, 4), Span(start, end, "INJECTION", score))


def _parts(text: str) -> list[tuple[int, int]]:
    """Sentences and lines of a text, each with its successor where both are short."""
    cuts = [0, *(match.end() for match in _PART_END.finditer(text)), len(text)]
    pieces = [(start, end) for start, end in pairwise(cuts) if text[start:end].strip()]
    ends = [*(end for _, end in pieces[1:]), len(text)]
    parts = zip(pieces, ends, strict=True)
    return [(start, two if two - start <= _PART else end) for (start, end), two in parts][:_PARTS_MAX]


def _judge(evidence: list[_Evidence], threshold: float) -> Injection | None:
    doubt = 1.0
    for found in evidence:
        doubt *= 1 - found.score
    if not evidence or 1 - doubt < threshold:
        return None
    strongest = max(evidence, key=lambda found: found.score)
    score = round(1 - doubt, 4)
    return Injection(strongest.kind, strongest.rule_id, score, Span(strongest.start, strongest.end, "INJECTION", score))


def _evidence(text: str, reading: Reading, above: float = 0.0) -> Iterator[_Evidence]:
    """What rules with a score over ``above`` find."""
    scores = _scores()
    for found in _book(above).find(reading):
        kind, score = scores[found.rule.id]
        yield _Evidence(kind, found.rule.id, score, found.start, found.end)
    folded = normalise(text)
    for rule_id, kind, score, pattern in _raw():
        if score > above and (match := pattern.search(folded.text)):
            yield _Evidence(kind, rule_id, score, *folded.original(*match.span()))


def _decoded(text: str) -> Iterator[tuple[str, int, int]]:
    """What ``text`` may hide: base64, hexadecimal, rot13, reversed."""
    for match in _BASE64.finditer(text):
        if plain := _base64(match.group()):
            yield plain, match.start(), match.end()
    for match in _HEX.finditer(text):
        digits = re.sub(r"0x|\\x|[% ,]", "", match.group())
        if plain := _printable(bytes.fromhex(digits[: len(digits) // 2 * 2])):
            yield plain, match.start(), match.end()
    for plain in (codecs.encode(text, "rot13"), text[::-1]):
        if sum(word in _COMMON for word in plain.lower().split()) > 1:
            yield plain, 0, len(text)


def _base64(blob: str) -> str | None:
    standard = blob.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return _printable(base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True))
    except (binascii.Error, ValueError):
        return None


def _printable(raw: bytes) -> str | None:
    """``raw`` as text when it looks like text."""
    try:
        plain = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return plain if plain and sum(c.isprintable() or c.isspace() for c in plain) == len(plain) else None


@cache
def _book(above: float) -> PhraseBook:
    table = tables.load("injection")
    entries = [entry for entry in table["rules"] if entry["score"] > above]
    return PhraseBook(read_rules(entries, table["words"], ""))


@cache
def _scores() -> dict[str, tuple[str, float]]:
    return {entry["id"]: (entry["kind"], entry["score"]) for entry in tables.load("injection")["rules"]}


@cache
def _raw() -> tuple[tuple[str, str, float, re.Pattern[str]], ...]:
    return tuple(
        (entry["id"], entry["kind"], entry["score"], re.compile(entry["pattern"]))
        for entry in tables.load("injection")["raw"]
    )
