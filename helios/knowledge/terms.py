"""Words as the offline generator compares them: folded, without stop words, endings and compounds forgiven.

The encoder knows only English; in other languages this carries retrieval's weight. No stemmer, because one per
language would each fail in its own way: two words match when they share a long beginning and differ in short endings,
or when one is a part of the other as in German compounds.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import yaml

Floats = npt.NDArray[np.float64]

_WORDS_FILE = Path(__file__).with_name("words.yaml")
_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)?")
_REDACTED = re.compile(r"<[A-Z_]+\d*>")

ENDING_MATCH = 0.95
COMPOUND_MATCH = 0.6
SYNONYM_MATCH = 0.6


@dataclass(frozen=True, slots=True)
class LanguageWords:
    """One language's block of words.yaml, folded. See there for what each part is."""

    stopwords: frozenset[str]
    conjunctions: frozenset[str]
    pronouns: frozenset[str]
    dependent: re.Pattern[str]
    question: frozenset[str]
    part_break: re.Pattern[str]
    offer: re.Pattern[str]
    asks: Mapping[str, re.Pattern[str]]
    answers: Mapping[str, re.Pattern[str]]
    synonyms: Mapping[str, frozenset[int]]
    """Folded word → the numbers of the groups that it belongs to."""


def words_of(language: str) -> LanguageWords:
    """The words of a language (ISO 639-1); those of English where there is no block for it."""
    table = _table()
    return table.get(language, table["en"])


def fold(text: str) -> str:
    """Lower case without accents, so that `Überweisung` and `uberweisung` are one word."""
    lowered = text.casefold().replace("ı", "i")
    if lowered.isascii():
        return lowered
    decomposed = unicodedata.normalize("NFKD", lowered)
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def tokens(text: str) -> list[str]:
    """The folded words and numbers of `text` in order. Redaction tokens such as <EMAIL_1> are no words."""
    return [token.replace("’", "'") for token in _TOKEN.findall(fold(_REDACTED.sub(" ", text)))]


def terms(text: str, language: str) -> tuple[str, ...]:
    """The words of `text` that carry its topic, each once, in order."""
    stopwords = words_of(language).stopwords
    return tuple(dict.fromkeys(token for token in tokens(text) if token not in stopwords))


@lru_cache(maxsize=200_000)
def match(left: str, right: str, language: str) -> float:
    """How far two folded words are the same, 0..1: equal, but for the ending, by meaning, or as part of a compound."""
    if left == right:
        return 1.0
    if _differ_in_ending(left, right):
        return ENDING_MATCH
    if _groups(left, language) & _groups(right, language):
        return SYNONYM_MATCH
    short, long = sorted((left, right), key=len)
    if len(short) >= 5 and len(long) >= len(short) + 3:
        stem = short.rstrip("aeinrst") if len(short) > 6 else short.rstrip("en")
        if len(stem) >= 4 and (long.startswith(stem) or stem in long[3:]):
            return COMPOUND_MATCH
    return 0.0


def matches(asked: Sequence[str], held: Sequence[Collection[str]], language: str) -> Floats:
    """(texts, terms): how far each text holds each term, 0..1: as far as the closest of its words does."""
    every = frozenset().union(*held)
    found = np.zeros((len(held), len(asked)))
    for column, term in enumerate(asked):
        # Texts share most of their words, and few words are near to a term: each is compared once.
        near = {word: score for word in every if (score := match(term, word, language))}
        for row, words in enumerate(held):
            found[row, column] = max((score for word, score in near.items() if word in words), default=0.0)
    return found


def _differ_in_ending(left: str, right: str) -> bool:
    shared = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        shared += 1
    short, long = sorted((len(left) - shared, len(right) - shared))
    if shared < 4:
        return shared == 3 and (short, long) == (0, 1)  # fee and fees, pin and pins
    if short == 0:
        return long <= (4 if shared >= 6 else 3)  # transfer and transferring; not cash and cashback
    return short <= 2 and long <= 3 and shared >= 4 + short


@lru_cache(maxsize=20_000)
def _groups(word: str, language: str) -> frozenset[int]:
    synonyms = words_of(language).synonyms
    found = synonyms.get(word)
    if found is not None:
        return found
    return frozenset().union(*(groups for known, groups in synonyms.items() if _differ_in_ending(word, known)))


@lru_cache(maxsize=1)
def _table() -> Mapping[str, LanguageWords]:
    raw = yaml.safe_load(_WORDS_FILE.read_text(encoding="utf-8"))
    return MappingProxyType({language: _language_words(block) for language, block in raw.items()})


def _language_words(block: Mapping[str, object]) -> LanguageWords:
    def listed(name: str) -> list[str]:
        return fold(str(block[name])).split()

    def patterns(name: str) -> Mapping[str, re.Pattern[str]]:
        table = block[name]
        if not isinstance(table, dict):
            raise TypeError(f"{_WORDS_FILE}: {name} is not a mapping")
        return MappingProxyType({kind: re.compile(fold(pattern)) for kind, pattern in table.items()})

    groups = block["synonyms"]
    if not isinstance(groups, list):
        raise TypeError(f"{_WORDS_FILE}: synonyms is not a list")
    synonyms: dict[str, frozenset[int]] = {}
    for number, group in enumerate(groups):
        for word in group:
            for token in tokens(word) if " " not in word else ():
                synonyms[token] = synonyms.get(token, frozenset()) | {number}
    openings = fold(str(block["dependent"])).replace("\\ ", "\0").split()
    dependent = "|".join(re.escape(opening.replace("\0", " ")) for opening in openings)
    joins, question = "|".join(listed("joins")), "|".join(listed("question"))
    return LanguageWords(
        stopwords=frozenset(listed("stopwords")),
        conjunctions=frozenset(listed("conjunctions")),
        pronouns=frozenset(listed("pronouns")),
        dependent=re.compile(rf"(?:{dependent})\b"),
        question=frozenset(listed("question")),
        part_break=re.compile(rf"[?!;]+|,?\s+(?:{joins})\s+(?=(?:{question})\b)|,\s*(?=(?:{question})\b)"),
        offer=re.compile(fold(str(block["offer"]))),
        asks=patterns("asks"),
        answers=patterns("answers"),
        synonyms=MappingProxyType(synonyms),
    )
