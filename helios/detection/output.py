"""Checks of what is about to be said: every window before its release, and the whole answer before delivery."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

from helios.detection import figures, grounding, links, situations, tables
from helios.detection.phrasebook import PhraseBook, read_rules
from helios.detection.spans import normalise
from helios.detection.wording import Wording, quoted, sentences

Action = Literal["release", "rewrite", "hold", "block"]

_SEVERITY: Mapping[Action, int] = {"release": 0, "rewrite": 1, "hold": 2, "block": 3}
# How titles of internal articles begin. None is ever among a prompt's passages, so this finds what came another way.
_INTERNAL = "internal:"
# A phrase has at most a few dozen words, so no more of what was released is looked at again.
_LOOK_BACK = 400
# A draft rarely holds a typo, and to hold one back for nothing is cheap: so in English also short words may be
# mistyped. In other languages they are too near to English ones.
_SHORT_WORDS, _LONG_WORDS = 4, 5


@dataclass(frozen=True, slots=True)
class Context:
    """What an answer rests on. ``situations`` are those active in the conversation, by number."""

    passages: tuple[str, ...] = ()
    question: str = ""
    situations: tuple[int, ...] = ()
    allowed_link_domains: tuple[str, ...] = ()
    language: str | None = None
    same_language: bool = True
    """Whether a passage is in the answer's language, so that their words can be compared."""
    names: tuple[str, ...] = ()
    """What the bank is called: a figure in its name is none."""
    prompt_markers: tuple[str, ...] = ()
    wording: Wording | None = None
    """Without it only the lists are asked: for what a person wrote."""


@dataclass(frozen=True, slots=True)
class Reason:
    """The rule that an answer broke, and the situation that the rule belongs to."""

    rule: str
    situation: int | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """``text`` is what may be sent instead when ``action`` is rewrite, else None."""

    action: Action
    reasons: tuple[Reason, ...] = ()
    text: str | None = None


def check_window(text_so_far: str, window: str, context: Context) -> Verdict:
    """Judge the next window of an answer; ``text_so_far`` is what was released before it."""
    return _check(text_so_far[-_LOOK_BACK:], window, context)


def check_whole(text: str, context: Context) -> Verdict:
    """Judge an answer that is complete: a draft, or what an agent wrote."""
    return _check("", text, context)


def hold(text: str) -> int:
    """The offset from which ``text`` may begin a forbidden phrase that is not whole yet, or its length.

    A promise is kept back to the end of its sentence: what binds it to a condition may stand there.
    """
    last = text[len(text) - len(list(sentences("", text))[-1]) :]
    if _promises().find(last) and not grounding.complete(last):
        return len(text) - len(last)
    return _book(_SHORT_WORDS).begun(text)


def _check(before: str, text: str, context: Context) -> Verdict:
    found: list[tuple[Action, Reason]] = []
    found.extend(_phrases(before, text, context))
    found.extend(_wordings(before, text, context))
    found.extend(_unsaid(before, text, context))
    found.extend(_leaks(before + text, context))
    cleaned = links.clean(text, context.allowed_link_domains)
    found.extend(_figures(cleaned.text, context))
    if cleaned.images:
        found.append(("rewrite", Reason("output.image", 24)))
    if cleaned.links:
        found.append(("rewrite", Reason("output.link", 24)))
    if not found:
        return Verdict("release")
    action = max((action for action, _ in found), key=_SEVERITY.__getitem__)
    reasons = tuple(dict.fromkeys(reason for _, reason in found))
    return Verdict(action, reasons, cleaned.text if action == "rewrite" else None)


def _phrases(before: str, text: str, context: Context) -> list[tuple[Action, Reason]]:
    entries = _lists()
    shortest = _SHORT_WORDS if context.language == "en" else _LONG_WORDS
    active = _active(context)
    names = [found.rule.id for found in _book(shortest).find(before + text, after=len(before))]
    if _unless_quoted().intersection(names) and not _approved(before, text, context):
        active |= _unless_quoted()
    return [
        (entries[name]["action"], Reason(f"output.{name}", entries[name]["situation"]))
        for name in names
        if name in active and not entries[name].get("sourced")
    ]


def _approved(before: str, text: str, context: Context) -> bool:
    """Whether all that is said now stands in an approved passage."""
    told = (sentence for sentence in sentences(before, text) if sentence.strip())
    return all(quoted(sentence, context.passages) for sentence in told)


def _unsaid(before: str, text: str, context: Context) -> list[tuple[Action, Reason]]:
    """Promises that no passage makes, and figures that the passages name of something else."""
    found: list[tuple[Action, Reason]] = []
    for told in sentences(before, text):
        sentence = figures.without_names(told, context.names)
        promised = _promises().find(sentence)
        if promised and not grounding.says(context.passages, sentence, context.same_language):
            found.extend(("hold", Reason(f"output.{each.rule.id}", each.rule.number)) for each in promised)
        if context.same_language and grounding.misplaced(context.passages, sentence):
            found.append(("hold", Reason("output.figure", 10)))
    return found


# A head that is asked about every draft must be sure: some say yes from a few percent on, and would take an offer of a
# person for a forbidden one. In a situation that a person sees anyway, a false alarm costs less than a miss.
_SURE: Final = 0.5
# Of a sentence that is not at its end a head sees less, and it is asked again about the whole of it.
_SURE_OF_A_BEGINNING: Final = 0.8


def _wordings(before: str, text: str, context: Context) -> list[tuple[Action, Reason]]:
    if context.wording is None:
        return []
    entries, active, demanded = _lists(), _active(context), _demanded(context)
    return [
        (entries[name]["action"], Reason(f"output.{name}", entries[name]["situation"]))
        for sentence in sentences(before, text)
        if not quoted(sentence, context.passages)
        for name, probability in context.wording.found(sentence).items()
        if name in active
        and (name in demanded or probability >= (_SURE if grounding.complete(sentence) else _SURE_OF_A_BEGINNING))
        and not (entries[name].get("sourced") and grounding.says(context.passages, sentence, context.same_language))
    ]


def _active(context: Context) -> frozenset[str]:
    return always() | _demanded(context)


def _demanded(context: Context) -> frozenset[str]:
    """The lists that situations of this conversation ask for."""
    return frozenset[str]().union(*(_must_not(number) for number in context.situations))


def _must_not(number: int) -> Sequence[str]:
    return next((entry.must_not for entry in situations.all_situations() if entry.number == number), ())


def _leaks(text: str, context: Context) -> list[tuple[Action, Reason]]:
    folded = normalise(text).text
    found: list[tuple[Action, Reason]] = []
    if _INTERNAL in folded:
        found.append(("block", Reason("output.internal_title", None)))
    if any(marker and marker.lower() in folded for marker in context.prompt_markers):
        found.append(("block", Reason("output.prompt_marker", 24)))
    return found


def _figures(text: str, context: Context) -> list[tuple[Action, Reason]]:
    approved = [figures.without_names(each, context.names) for each in context.passages]
    asked = figures.without_names(context.question, context.names)
    told = figures.without_names(text, context.names)
    return [("hold", Reason("output.figure", 10))] if figures.ungrounded(told, approved, asked) else []


@cache
def always() -> frozenset[str]:
    """Names of the lists that hold for every draft."""
    return frozenset(name for name, entry in _lists().items() if entry.get("always") is True)


@cache
def _unless_quoted() -> frozenset[str]:
    """Names of those that hold for every draft but in the words of a passage."""
    return frozenset(name for name, entry in _lists().items() if entry.get("always") == "unless_quoted")


@cache
def _lists() -> Mapping[str, Mapping[str, Any]]:
    return {entry["id"]: entry for entry in tables.load("output")["lists"]}


@cache
def _promises() -> PhraseBook:
    """The lists of what may be said where a passage says it."""
    table = tables.load("output")
    sourced = [entry for entry in table["lists"] if entry.get("sourced")]
    return PhraseBook(read_rules(sourced, table["words"], ""), tables.words(table["fillers"]), _SHORT_WORDS)


@cache
def _book(shortest_typo: int) -> PhraseBook:
    table = tables.load("output")
    rules = read_rules(table["lists"], table["words"], "")
    return PhraseBook(rules, tables.words(table["fillers"]), shortest_typo)
