"""Situation 24: instructions aimed at the assistant instead of questions to the bank.

Rules give evidence, and their scores add up. Text that is hidden by an encoding is decoded and judged again.
Sources: OWASP LLM01 (prompt injection) and LLM07 (system prompt leakage).
"""

import base64
import binascii
import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from helios.detection import tables
from helios.detection.phrasebook import PhraseBook, Reading, read, read_rules
from helios.detection.spans import Span, normalise

_BASE64 = re.compile(r"(?<![A-Za-z0-9+/=_\-])[A-Za-z0-9+/_\-]{16,4000}={0,2}(?![A-Za-z0-9+/=_\-])")
_HEX = re.compile(r"(?:(?:0x|\\x|%)?[0-9a-fA-F]{2}[ ,]?){12,2000}")
# Of words like these a text turned back into English holds some, and one that never was turned hardly ever does.
_COMMON = tables.words("the and all you your of in is are now ignore previous instructions system prompt rules show")
_STRONG = 0.5  # a single rule of this score decides for decoded text, where weak words mean little
_CHARACTERS_MAX = 12_000


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


def find_injection(text: str, reading: Reading | None = None) -> Injection | None:
    """The attack in ``text``, if the evidence is enough; ``reading`` is the text's, where it was read before."""
    if reading is None or len(text) > _CHARACTERS_MAX:
        text = text[:_CHARACTERS_MAX]
        reading = read(text)
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
