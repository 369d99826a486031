"""Examples on their way in: what may be trained on, said for each place that is wrong, and the sealed chunks of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from helios.crypto import Keys
from helios.detection import secrets
from helios.intents.document import IntentDocument
from helios.models.intent import OTHER, OUT_OF_SCOPE, shipped_examples
from helios.rules.policy_document import Wrong

NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
INTENTS_MOST: Final = 200
INTENTS_LEAST: Final = 2
EXAMPLES_LEAST: Final = 5
"""Of each intent: with fewer, a fifth that is held out is nothing."""
EXAMPLES_MOST: Final = 5_000
CHARACTERS_MOST: Final = 500
CHUNK: Final = 200
"""Examples that are encoded at a time: about half a second."""
WHERE: Final = "intent_chunks.examples_ct"
SAID_MOST: Final = 20


@dataclass(frozen=True, slots=True)
class Example:
    """A text and its intents; `pointer` and `place` say where it stood: `/intents/0/examples/3`, or `line 7: `."""

    text: str
    intents: tuple[str, ...]
    pointer: str = ""
    place: str = ""

    def wrong(self, why: str) -> Wrong:
        return self.pointer, f"{self.place}{why}"


@dataclass(frozen=True, slots=True)
class Chunk:
    """`own` False: of the shipped examples, in which there is nobody's data."""

    own: bool
    rows: tuple[tuple[str, tuple[str, ...]], ...]

    def seal(self, keys: Keys, version: int, number: int) -> bytes:
        return keys.seal_json({"own": self.own, "rows": self.rows}, WHERE, (version, number))


def open_chunk(keys: Keys, sealed: bytes, version: int, number: int) -> Chunk:
    read = keys.open_json(sealed, WHERE, (version, number))
    return Chunk(read["own"], tuple((text, tuple(intents)) for text, intents in read["rows"]))


def wrongs(examples: Sequence[Example], base: Sequence[Example] = ()) -> list[Wrong]:
    """Every place that keeps a set from being trained, at most `SAID_MOST`. `base`: what it is trained on besides."""
    found = [*_wrong_names(examples), *_contradictions(examples), *_wrong_amounts(examples, base)]
    return found[:SAID_MOST]


def _wrong_names(examples: Sequence[Example]) -> Iterator[Wrong]:
    seen: set[str] = set()
    for each in examples:
        if len(each.text) > CHARACTERS_MOST:
            yield each.wrong(f"an example has at most {CHARACTERS_MOST} characters")
        for name in set(each.intents) - seen:
            seen.add(name)
            if not NAME.fullmatch(name) or secrets.find(name):
                yield each.wrong("an intent's name has small letters, digits and underscores, and begins with a letter")
            elif name == OTHER:
                yield each.wrong(f"{OTHER} is what no intent fits: its examples are those of {OUT_OF_SCOPE}")
        if not each.intents:
            yield each.wrong("an example has an intent")
        elif OUT_OF_SCOPE in each.intents and len(set(each.intents)) > 1:
            yield each.wrong(f"{OUT_OF_SCOPE} stands alone")


def _contradictions(examples: Sequence[Example]) -> Iterator[Wrong]:
    """The same text under other intents: names both, so that somebody can decide."""
    known: dict[str, Example] = {}
    for each in examples:
        before = known.setdefault(same(each.text), each)
        if set(before.intents) != set(each.intents):
            yield each.wrong(f"the same text is an example of {_named(before)} and of {_named(each)}")


def _wrong_amounts(examples: Sequence[Example], base: Sequence[Example]) -> Iterator[Wrong]:
    own = distinct(examples)
    every = Counter(name for each in (*own, *base) for name in each.intents)
    if len(every.keys() - {OUT_OF_SCOPE}) < INTENTS_LEAST:
        yield "", f"at least {INTENTS_LEAST} intents are needed, besides {OUT_OF_SCOPE}"
    if len(every) > INTENTS_MOST:
        yield "", f"at most {INTENTS_MOST} intents"
    if len(own) > EXAMPLES_MOST:
        yield "", f"at most {EXAMPLES_MOST} examples"
    for name, count in Counter(name for each in own for name in each.intents).items():
        if count < EXAMPLES_LEAST and NAME.fullmatch(name):
            yield "", f"{name} has {count} different examples, at least {EXAMPLES_LEAST} are needed"


def distinct(examples: Sequence[Example]) -> list[Example]:
    """Each text once."""
    return list({same(each.text): each for each in reversed(examples)}.values())[::-1]


def shipped(own: Sequence[Example]) -> list[Example]:
    """The shipped examples of the intents that a set does not bring itself, without texts that it has."""
    names = {name for each in own for name in each.intents}
    texts = {same(each.text) for each in own}
    return [
        Example(text, (name,))
        for name, held in shipped_examples().items()
        if name not in names
        for text in held
        if same(text) not in texts
    ]


def document_of(examples: Sequence[Example]) -> IntentDocument:
    texts: dict[str, list[str]] = {}
    for each in examples:
        for name in each.intents:
            texts.setdefault(name, []).append(each.text)
    return IntentDocument.of(texts)


def chunks_of(own: Sequence[Example], base: Sequence[Example]) -> list[Chunk]:
    return [
        Chunk(is_own, tuple((each.text, each.intents) for each in held[first : first + CHUNK]))
        for is_own, held in ((True, own), (False, base))
        for first in range(0, len(held), CHUNK)
    ]


def same(text: str) -> str:
    """What two writings of one text have in common."""
    return " ".join(text.casefold().split())


def _named(each: Example) -> str:
    return " and ".join(sorted(set(each.intents)))
