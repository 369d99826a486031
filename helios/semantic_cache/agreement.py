"""Whether two questions ask the same, so that one answer serves both.

Vectors see the topic: the fee for a debit card and the fee for a credit card are nearer to each other than many a
paraphrase is to its question, and so is a question to its denial. So what tells questions apart is compared word by
word, and nearness is asked for besides. Measured by `python -m helios eval cache`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import yaml

from helios.detection import figures
from helios.knowledge.evidence import ENCODER_LANGUAGE
from helios.knowledge.query import asked_kinds
from helios.knowledge.terms import ENDING_MATCH, match, terms, tokens
from helios.models.embedder import Vectors

WORDS_FILE: Final = Path(__file__).with_name("words.yaml")
STEM: Final = 3
"""Words that differ in their ending alone share at least so many letters."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A question; `vector` is its own, (384,) float32 of unit length."""

    text: str
    language: str
    vector: Vectors


@dataclass(frozen=True, slots=True)
class _Words:
    empty: frozenset[str]
    alike: dict[str, int]
    contrasts: frozenset[str]
    subject: re.Pattern[str]
    subjects: dict[str, str]
    possessives: dict[str, str]


def nearness(left: Asked, right: Asked) -> float:
    """The cosine of their vectors, -1..1."""
    return float(np.dot(left.vector, right.vector))


def same_question(left: Asked, right: Asked, least: float) -> bool:
    """Whether an answer to one answers the other. `least` is the nearness that is asked for, 0..1."""
    said, other = tokens(left.text), tokens(right.text)
    if left.language != right.language or not said or _figures(left.text) != _figures(right.text):
        return False
    if said == other:
        return True
    return (
        left.language == ENCODER_LANGUAGE
        and nearness(left, right) >= least
        and asked_kinds(left.text, left.language) == asked_kinds(right.text, right.language)
        and _contrasts(said) == _contrasts(other)
        and _no_other_person(said, other)
        and _same_words(left.text, right.text)
    )


def sketch(text: str, language: str) -> str:
    """What all questions that may be the same have in common: to look them up by. It holds parts of their words."""
    if language != ENCODER_LANGUAGE:
        return " ".join(tokens(text))
    return " ".join(_root(word) for word in _telling(text)) or " ".join(tokens(text))


def _same_words(left: str, right: str) -> bool:
    """The same telling words in the same order: moving money from A to B is not moving it from B to A."""
    words, others = _telling(left), _telling(right)
    return bool(words) and len(words) == len(others) and all(map(_alike, words, others))


def _telling(text: str) -> Sequence[str]:
    return [each for each in terms(text, ENCODER_LANGUAGE) if each not in _words().empty]


def _alike(left: str, right: str) -> bool:
    group = _words().alike.get(left)
    if group is not None and group == _words().alike.get(right):
        return True
    return match(left, right, ENCODER_LANGUAGE) >= ENDING_MATCH


@lru_cache(maxsize=10_000)
def _root(word: str) -> str:
    """The same of words that are alike."""
    groups = (group for known, group in _words().alike.items() if _alike(word, known))
    return next((f"={group}" for group in groups), word[:STEM])


def _contrasts(said: Sequence[str]) -> frozenset[str]:
    """Its contrasting words, with all denials one: "don't" is a "not"."""
    found = frozenset(said) & _words().contrasts
    return found | {"not"} if "cannot" in found or any(each.endswith("n't") for each in said) else found


def _no_other_person(said: Sequence[str], other: Sequence[str]) -> bool:
    """Asking "can I see it" is not asking "can you see it", nor is "my address" "your address"."""
    return all(not here or not there or here == there for here, there in zip(_who(said), _who(other), strict=True))


def _who(said: Sequence[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Who does what is asked about, and whose things are named."""
    words = _words()
    acting = frozenset(words.subjects[each] for each in words.subject.findall(" ".join(said)))
    return acting, frozenset(words.possessives[each] for each in said if each in words.possessives)


def _figures(text: str) -> frozenset[tuple[frozenset[Decimal], str]]:
    return frozenset((each.values, each.unit) for each in figures.find(text))


@lru_cache(maxsize=1)
def _words() -> _Words:
    raw = yaml.safe_load(WORDS_FILE.read_text(encoding="utf-8"))
    return _Words(
        empty=frozenset(f"{raw['empty']} {raw['price']}".split()),
        alike={word: number for number, group in enumerate(raw["alike"]) for word in group},
        contrasts=frozenset(raw["contrasts"].split()),
        subject=re.compile(rf"\b(?:{'|'.join(raw['auxiliaries'].split())}) ({'|'.join(raw['subjects'])})\b"),
        subjects=raw["subjects"],
        possessives=raw["possessives"],
    )
