"""Whether a passage says what a sentence of a draft says: its promise, or the figure that it names.

A promise is said by a passage when one of its sentences holds most of the promise's words, all its figures and days,
and neither denies it nor ties it to a condition that the draft leaves out. A figure is said when it stands near a word
that tells what it is the figure of, so that one fee is not told as another. Words are compared within a language: where
no passage is in the draft's language, a promise is not found said.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from helios.detection import figures, lexicon, tables
from helios.detection.phrasebook import read
from helios.detection.phrases import SENTENCE_END
from helios.detection.wording import quoted, sentences

_SHARE: Final = 0.6
"""Of a promise's words, how many one passage sentence and the one before it must hold."""
_SHARE_WITHOUT_ACTION: Final = 0.8
"""The same of one whose verb the table does not know."""
_WORDS_MIN: Final = 2
_STEM: Final = 5
_ENDS: Final = ".!?…。！？"


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence. ``stems`` are of its telling words, in ``meant`` one stem stands for all words of a meaning."""

    stems: frozenset[str]
    meant: frozenset[str]
    words: frozenset[str]
    figures: tuple[figures.Figure, ...]


def says(passages: Sequence[str], sentence: str, same_language: bool = True) -> bool:
    """Whether a passage makes the promise that ``sentence`` makes."""
    if quoted(sentence, passages):
        return True
    promise = _statement(sentence)
    days = promise.words & (_words("days") | _words("soon"))
    return same_language and any(
        days <= before.words | said.words
        and all(
            any(figures.agree(each, other) for other in (*before.figures, *said.figures)) for each in promise.figures
        )
        and _tells(before, said, promise)
        for before, said in _pairs(passages)
    )


def misplaced(passages: Sequence[str], sentence: str) -> bool:
    """Whether ``sentence`` names a figure of the passages, but no passage names it of the same thing."""
    if not complete(sentence) or quoted(sentence, passages):
        return False
    statement = _statement(sentence)
    topic = statement.stems - _stems("generic")
    if not topic:
        return False
    for figure in statement.figures:
        near = [
            (before, said) for before, said in _pairs(passages) if any(figures.agree(figure, f) for f in said.figures)
        ]
        if near and not any(topic & (before.stems | said.stems) for before, said in near):
            return True
    return False


def complete(sentence: str) -> bool:
    """Whether a sentence has its end."""
    return sentence.rstrip().rstrip("\"'”’»)]*_0123456789[").endswith(tuple(_ENDS))


def _tells(before: Statement, said: Statement, promise: Statement) -> bool:
    """Whether ``said``, with the help of the sentence before it, holds what is done, most words, and is as firm."""
    held = promise.meant & (before.meant | said.meant)
    actions = promise.meant & _actions()
    share = _SHARE if actions else _SHARE_WITHOUT_ACTION
    if not actions <= held or len(held) < max(_WORDS_MIN, share * len(promise.meant)):
        return False
    return _as_firm(promise, said) and (held <= said.meant or _as_firm(promise, before))


def _as_firm(promise: Statement, said: Statement) -> bool:
    """Whether what a passage says is denied, or bound to a condition, no more than the promise is."""
    return all(promise.words & _words(key) or not said.words & _words(key) for key in ("not", "if"))


def _pairs(passages: Sequence[str]) -> Iterator[tuple[Statement, Statement]]:
    """Each sentence of the passages behind the one before it, which may name what it speaks of."""
    for passage in passages:
        statements = _statements(passage)
        yield from zip((statements[0], *statements), statements, strict=False)


@lru_cache(256)
def _statements(passage: str) -> tuple[Statement, ...]:
    return tuple(_statement(sentence) for sentence in sentences("", passage))


@lru_cache(1024)
def _statement(sentence: str) -> Statement:
    words = frozenset(word for word, _, _ in read(sentence).words if word != SENTENCE_END)
    telling = [word for word in words - _words("empty") if len(word) > 2 and word.isalpha()]
    stems = frozenset(word[:_STEM] for word in telling)
    meant = frozenset(_same().get(word, word)[:_STEM] for word in telling)
    return Statement(stems, meant, words, tuple(figures.find(sentence)))


@cache
def _same() -> dict[str, str]:
    groups = ([lexicon.fold(word) for word in line.split()] for line in tables.load("grounding")["same"])
    return {word: group[0] for group in groups for word in group}


@cache
def _actions() -> frozenset[str]:
    return frozenset(meaning[:_STEM] for meaning in _same().values())


@cache
def _words(key: str) -> frozenset[str]:
    return frozenset(lexicon.fold(word) for word in tables.words(tables.load("grounding")[key]))


@cache
def _stems(key: str) -> frozenset[str]:
    return frozenset(word[:_STEM] for word in _words(key))
