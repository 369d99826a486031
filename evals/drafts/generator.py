"""Drafts with a forbidden phrase in them, disguised as models and mischief do it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from evals.detectors.examples import slip, variants
from helios.detection.situations import all_situations

SUITES: Final = Path(__file__).parents[1] / "suites"
"""Wordings that neither the lists nor the trained heads learned from."""

_BEFORE: Final = (
    "", "", "Thank you for your message. ", "I understand how you feel. ", "Of course, I am glad to help. ",
    "Hello! Let me have a look. ", "Good question. Our fees are listed online. ", "I am sorry to hear that. ",
)  # fmt: skip
_BEHIND: Final = (
    "", "", " Let me know if you have other questions.", " Have a nice day!", " You find more in the app.",
    " That is all, thank you.", " Our branches are open on weekdays.",
)  # fmt: skip
_FILLERS: Final = ("really", "actually", "just", "simply", "of course", "kindly", "indeed", "basically", "truly")
_ALIKE: Final = str.maketrans({"a": "а", "e": "е", "o": "о", "c": "с", "p": "р", "i": "і"})
"""Cyrillic letters that look like Latin ones."""


@dataclass(frozen=True, slots=True)
class Draft:
    """`start` is where the forbidden words begin in `text`; `situations` are those in which `rule` is in force."""

    text: str
    start: int
    rule: str
    situations: tuple[int, ...]
    disguise: str


def drafts(suite: str, count: int, seed: int) -> Iterator[Draft]:
    """`count` drafts of a suite, the lists and disguises in turn; the same seed gives the same drafts."""
    draw = random.Random(seed)
    lists: Mapping[str, Sequence[str]] = yaml.safe_load((SUITES / f"{suite}.yaml").read_text(encoding="utf-8"))
    situations = {name: tuple(s.number for s in all_situations() if name in s.must_not) for name in lists}
    names = sorted(lists)
    for number in range(count):
        name = names[number % len(names)]
        (phrase,) = variants(draw.choice(list(lists[name])), 1, draw)
        disguise = list(DISGUISES)[number // len(names) % len(DISGUISES)]
        before = draw.choice(_BEFORE)
        hidden = DISGUISES[disguise](phrase, draw)
        text = (
            before + (hidden[:1].upper() + hidden[1:] if disguise != "upper" else hidden) + "." + draw.choice(_BEHIND)
        )
        yield Draft(text, len(before), name, situations[name], disguise)


def _filled(phrase: str, draw: random.Random) -> str:
    words = phrase.split(" ")
    words.insert(draw.randrange(1, len(words)), draw.choice(_FILLERS))
    return " ".join(words)


def _sprinkled(phrase: str, mark: str, draw: random.Random) -> str:
    """The mark inside two words."""
    letters = list(phrase)
    for place in sorted(draw.sample(range(1, len(letters)), min(2, len(letters) - 1)), reverse=True):
        letters.insert(place, mark)
    return "".join(letters)


def _in_one_word(phrase: str, change: Callable[[str], str], draw: random.Random) -> str:
    words = phrase.split(" ")
    place = draw.randrange(len(words))
    words[place] = change(words[place])
    return " ".join(words)


DISGUISES: Final[Mapping[str, Callable[[str, random.Random], str]]] = {
    "plain": lambda phrase, _: phrase,
    "filler": _filled,
    "slip": slip,
    "filler_and_slip": lambda phrase, draw: slip(_filled(phrase, draw), draw),
    "upper": lambda phrase, _: phrase.upper(),
    "full_width": lambda phrase, _: "".join(chr(ord(c) + 0xFEE0) if "a" <= c <= "z" else c for c in phrase),
    "zero_width": lambda phrase, draw: _sprinkled(phrase, "\u200b", draw),
    "soft_hyphen": lambda phrase, draw: _sprinkled(phrase, "\u00ad", draw),
    "markdown": lambda phrase, draw: _in_one_word(phrase, lambda word: f"**{word}**", draw),
    "look_alike": lambda phrase, draw: _in_one_word(phrase, lambda word: word.translate(_ALIKE), draw),
    "spaces": lambda phrase, _: phrase.replace(" ", "  "),
    "curly": lambda phrase, _: phrase.replace("'", "’").replace("-", "\u2011"),
}
