"""What to search for: a follow-up brings the question before it along, and the parts of a question are told apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from helios.knowledge.terms import fold, terms, tokens, words_of

if TYPE_CHECKING:
    from helios.llm.base import PastMessage

MAX_PARTS = 3
_SHORT_TERMS = 2
_ELLIPTIC_WORDS = 8


def contextual_query(question: str, history: Sequence[PastMessage], language: str = "en") -> str:
    """The question to search with: one that does not stand alone takes along what the customer asked before.

    "And how long does it take?" after "What does a transfer abroad cost?" becomes "And how long does it take? transfer
    abroad": what it is about, and not that it was about costs. "And in Canada?" takes the whole question along.
    """
    if not is_follow_up(question, language):
        return question
    return with_context(question, previous_question(question, history, language) or "", language)


def with_context(question: str, previous: str, language: str) -> str:
    """`question` with what it takes along of `previous`."""
    if asked_kinds(question, language):
        topic = topic_terms(previous, language)
        return " ".join([question, *topic])
    return f"{previous} {question}".strip()


def asked_kinds(question: str, language: str) -> frozenset[str]:
    """The kinds of thing that the question asks for: money, time, count, phone, way. See words.yaml."""
    folded = fold(question)
    return frozenset(kind for kind, pattern in words_of(language).asks.items() if pattern.search(folded))


def topic_terms(question: str, language: str) -> tuple[str, ...]:
    """What the question is about, without the words that ask for a cost, a time or a way."""
    folded = fold(question)
    for pattern in words_of(language).asks.values():
        folded = pattern.sub(" ", folded)
    return terms(folded, language)


def is_follow_up(question: str, language: str = "en") -> bool:
    """Whether the question leans on an earlier one: it begins with a conjunction, or is short and has a pronoun or
    next to no words of its own."""
    words = words_of(language)
    spoken = tokens(question)
    if not spoken or len(spoken) > 3 * _ELLIPTIC_WORDS:
        return False
    if spoken[0] in words.conjunctions:
        return True
    own = len(terms(question, language))
    has_pronoun = any(token in words.pronouns for token in spoken)
    if len(spoken) <= _ELLIPTIC_WORDS:
        return own < _SHORT_TERMS if not has_pronoun else own <= _SHORT_TERMS
    return False


def previous_question(question: str, history: Sequence[PastMessage], language: str = "en") -> str | None:
    """The customer's last message that stands alone, `question` itself left aside; their last one if none does."""
    asked = [message.text for message in history if message.role == "customer" and message.text != question]
    for text in reversed(asked):
        if not is_follow_up(text, language):
            return text
    return asked[-1] if asked else None


def question_parts(question: str, language: str = "en") -> tuple[str, ...]:
    """The questions in a message, at most three: "what does it cost and how long does it take" has two.

    What is no question goes with the one after it: "I lost my card! What do I do?" asks one thing.
    """
    asked: list[str] = []
    told = ""
    for piece in _pieces(question, language):
        told = f"{told} {piece}".strip()
        if _asks(piece, language):
            asked.append(told)
            told = ""
    if told and asked:
        asked[-1] = f"{asked[-1]} {told}"
    return tuple(asked[:MAX_PARTS]) or (told or question,)


def _pieces(question: str, language: str) -> list[str]:
    """The message cut where a further question may begin."""
    folded = fold(question)
    # Folding keeps the length for what customers type; where it does not, the breaks would be off.
    source = question if len(folded) == len(question) else folded
    pieces: list[str] = []
    start = 0
    for found in words_of(language).part_break.finditer(folded):
        pieces.append(source[start : found.end() if found.group().strip() in {"?", "!"} else found.start()])
        start = found.end()
    pieces.append(source[start:])
    return [piece.strip(" ,.") for piece in pieces if tokens(piece)]


def _asks(piece: str, language: str) -> bool:
    first = tokens(piece)[0]
    return piece.endswith("?") or first in words_of(language).question or bool(asked_kinds(piece, language))
