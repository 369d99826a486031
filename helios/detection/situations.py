"""Situations that a customer's message opens, and what each asks for.

``situations.yaml`` holds what must happen, ``rules_*.yaml`` how each language says it; trained heads add what the rules
miss. They only ever add a situation: what a rule found stands.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from helios.detection import injection, learned, secrets, tables
from helios.detection.features import grams
from helios.detection.injection import Seen
from helios.detection.learned import Floats
from helios.detection.phrasebook import PhraseBook, Rule, read, read_rules
from helios.detection.spans import Span

Priority = Literal["P0", "P1", "P2", "P3", "P4"]
Action = Literal["escalate", "refuse", "mask", "hold", "ticket_and_escalate", "flag"]
Detector = Literal["customer", "secrets", "injection", "language", "draft", "none"]

SECRET_PASTED, INJECTION = 18, 24
LANGUAGES = ("en", "de", "es")


@dataclass(frozen=True, slots=True)
class Clock:
    """A deadline of ``days`` from the receipt of the message."""

    name: str
    days: int
    unit: Literal["business", "calendar"]
    only_new_accounts: bool = False


@dataclass(frozen=True, slots=True)
class Ticket:
    """What kind of ticket a situation opens and which clocks it starts."""

    kind: str
    offer_card_block: bool
    clocks: tuple[Clock, ...]


@dataclass(frozen=True, slots=True)
class Situation:
    """A row of the table. ``must_not`` names the phrase lists that no draft may hold while the situation lasts.

    ``duties`` are what the engine does, ``person_duties`` what is left to whoever takes the escalation; ``template`` is
    empty where the customer reads no text of ours.
    """

    number: int
    name: str
    source: str
    detector: Detector
    priority: Priority
    queue: str
    action: Action
    template: str
    duties: tuple[str, ...]
    person_duties: tuple[str, ...]
    must_not: tuple[str, ...]
    ticket: Ticket | None = None


@dataclass(frozen=True, slots=True)
class SituationMatch:
    """Situation ``number`` was found by rule ``rule_id`` at ``span`` of the text."""

    number: int
    rule_id: str
    span: Span


@cache
def all_situations() -> tuple[Situation, ...]:
    """Every situation of the table, by number."""
    table = tables.load("situations")
    tickets = {kind: _ticket(kind, entry) for kind, entry in table["tickets"].items()}
    return tuple(_situation(entry, tickets) for entry in table["situations"])


def situation(number: int) -> Situation:
    """The row of situation ``number``. Raises KeyError for a number that the table does not hold."""
    return _by_number()[number]


def find_situations(
    text: str, language: str | None = None, vector: Floats | None = None, thresholds: Mapping[str, float] | None = None
) -> tuple[SituationMatch, ...]:
    """What ``text`` says, the most urgent and surest first, each situation once. ``vector`` is the encoder's, (384,):
    without it the trained heads are not asked. ``thresholds``: a head's own by its name, where a tenant has chosen one.

    With a language that has rules, those and the English ones run; otherwise all do, which suits mixed language and
    costs little, so leave it out where the language is a guess.
    """
    languages = frozenset({language, "en"}) if language in LANGUAGES else None
    first: dict[int, SituationMatch] = {}
    reading = read(text)
    for found in _book().find(reading, languages):
        span = Span(found.start, found.end, f"SITUATION_{found.rule.number}")
        first.setdefault(found.rule.number, SituationMatch(found.rule.number, found.rule.id, span))
    seen = Seen(reading, vector, grams(text) if vector is not None else None)
    others = tuple(_by_other_detectors(text, seen))
    # The heads never learned from attacks, which speak of everything: there only what a rule says counts.
    attacked = any(match.number == INJECTION for match in others)
    for match in (*others, *(() if attacked else _by_training(text, seen, thresholds))):
        first.setdefault(match.number, match)
    # Of equally urgent ones the surest comes first: it decides who takes up the conversation, and in which words.
    return tuple(
        sorted(first.values(), key=lambda match: (situation(match.number).priority, -match.span.score, match.number))
    )


def _by_training(text: str, seen: Seen, thresholds: Mapping[str, float] | None) -> Iterator[SituationMatch]:
    if seen.vector is None or seen.grams is None or not any(map(str.isalpha, text)):
        return
    for name, score in learned.load("situations").found(seen.grams, seen.vector, thresholds):
        yield SituationMatch(int(name), "learned", Span(0, len(text), f"SITUATION_{name}", score))


def _by_other_detectors(text: str, seen: Seen) -> Iterator[SituationMatch]:
    if span := secrets.trace(text):
        yield SituationMatch(SECRET_PASTED, f"secrets.{span.label.lower()}", span)
    if attack := injection.find_injection(text, seen):
        yield SituationMatch(INJECTION, f"injection.{attack.rule_id}", attack.span)


@cache
def _book() -> PhraseBook:
    rules: list[Rule] = []
    for language in LANGUAGES:
        table = tables.load(f"rules_{language}")
        rules.extend(read_rules(table["rules"], table["words"], language))
    return PhraseBook(rules)


@cache
def _by_number() -> Mapping[int, Situation]:
    return {entry.number: entry for entry in all_situations()}


def _ticket(kind: str, entry: Mapping[str, Any]) -> Ticket:
    return Ticket(kind, entry["offer_card_block"], tuple(Clock(**clock) for clock in entry["clocks"]))


def _situation(entry: Mapping[str, Any], tickets: Mapping[str, Ticket]) -> Situation:
    return Situation(
        number=entry["number"],
        name=entry["name"],
        source=entry["source"],
        detector=entry["detector"],
        priority=entry["priority"],
        queue=entry["queue"],
        action=entry["action"],
        template=entry.get("template", ""),
        duties=tuple(entry["duties"]["done"]),
        person_duties=tuple(entry["duties"]["person"]),
        must_not=tuple(entry["must_not"]),
        ticket=tickets[entry["ticket"]] if "ticket" in entry else None,
    )
