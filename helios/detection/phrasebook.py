"""Rules made of phrases, and the canonical text that they run over."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from helios.detection import lexicon
from helios.detection.phrases import SENTENCE_END, Phrase, compile_phrases
from helios.detection.spans import Normalised, normalise

_TOKEN = re.compile(r"\d+(?:[.,:]\d+)*(?![^\W_])|[^\W_]+(?:['@$][^\W_]+)*|(?P<end>[.!?;…。！？]+|\n\s*\n)")
# Letters with something between each: "a g e n t", "s.c.a.m".
_SPACED = re.compile(r"(?<![^\W_])[^\W\d_]([ .\-_*·•]{1,2})(?:[^\W\d_]\1){2,}[^\W\d_](?![^\W_])")


@dataclass(frozen=True, slots=True)
class Canonical:
    """``text`` holds each word followed by a blank, a line break for each sentence end, one at both ends.

    ``places[i]`` is where word ``i`` begins in ``text``, ``spans[i]`` which code points of the original it is.
    """

    text: str
    places: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The part of the original text that ``text[start:end]`` was made of."""
        first = bisect_right(self.places, start) - 1
        last = max(first, bisect_right(self.places, end - 1) - 1)
        return self.spans[first][0], self.spans[last][1]


@dataclass(frozen=True, slots=True)
class Rule:
    """``phrase`` matches unless ``unless`` matches in the same sentence or sentences."""

    id: str
    number: int
    language: str
    phrase: Phrase
    unless: Phrase | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A rule and where it matched: offsets in the original text."""

    rule: Rule
    start: int
    end: int


class PhraseBook:
    """Rules of a table. ``find`` tells which of them a text fulfils."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(rules)
        phrases = [phrase for rule in self.rules for phrase in (rule.phrase, rule.unless) if phrase]
        self.vocabulary = lexicon.Vocabulary(word for phrase in phrases for word in phrase.literals)

    def canonical(self, text: str) -> Canonical:
        """``text`` as the rules read it."""
        folded = normalise(text)
        pieces, places, spans = [SENTENCE_END + " "], [0], [(0, 0)]
        position = len(pieces[0])
        for word, start, end in [*_tokens(folded), (SENTENCE_END, len(text), len(text))]:
            for part in lexicon.expand(lexicon.fold(word)) if word != SENTENCE_END else (word,):
                meant = self.vocabulary.meant(part) if part != SENTENCE_END else part
                pieces.append(meant + " ")
                places.append(position)
                spans.append((start, end))
                position += len(meant) + 1
        return Canonical("".join(pieces), tuple(places), tuple(spans))

    def find(self, text: str, languages: frozenset[str] | None = None, after: int = 0) -> list[Found]:
        """Each rule's first match that stands and ends behind offset ``after``, in the order of the table.

        All languages are tried when none is given.
        """
        canonical = self.canonical(text)
        found: list[Found] = []
        for rule in self.rules:
            if languages is not None and rule.language not in languages:
                continue
            spans = (canonical.original(*match) for match in _standing(rule, canonical.text))
            if span := next((span for span in spans if span[1] > after), None):
                found.append(Found(rule, *span))
        return found

    @cached_property
    def _begun(self) -> tuple[re.Pattern[str], ...]:
        return tuple(re.compile(rule.phrase.begun) for rule in self.rules)

    def begun(self, text: str) -> int:
        """The offset from which ``text`` may begin a phrase that it does not end, or its length."""
        canonical = self.canonical(text)
        open_end = canonical.text.removesuffix(f"{SENTENCE_END} ")
        starts = [match.start() for pattern in self._begun if (match := pattern.search(open_end))]
        words = [start for start in starts if start < len(open_end)]
        return canonical.original(min(words), min(words) + 1)[0] if words else len(text)


def read_rules(entries: Iterable[Mapping[str, object]], named: Mapping[str, str], language: str) -> Iterator[Rule]:
    """Rules of a table: ``id``, ``situation``, ``any`` (phrases), ``unless`` (phrases)."""
    for entry in entries:
        phrases, unless = entry["any"], entry.get("unless")
        if not isinstance(phrases, list) or not isinstance(unless, list | None):
            raise ValueError(f"rule {entry['id']}: phrases are a list")
        yield Rule(
            id=".".join(filter(None, (language, str(entry["id"])))),
            number=int(str(entry.get("situation") or 0)),
            language=language,
            phrase=compile_phrases(phrases, named),
            unless=compile_phrases(unless, named) if unless else None,
        )


def _standing(rule: Rule, text: str) -> Iterator[tuple[int, int]]:
    for match in rule.phrase.pattern.finditer(text):
        if rule.unless is not None:
            start = text.rfind(SENTENCE_END, 0, match.start() + 1)
            end = text.find(SENTENCE_END, match.end() - 1)
            if rule.unless.pattern.search(text, max(start, 0), end + 2 if end >= 0 else len(text)):
                continue
        yield match.span()


def _tokens(folded: Normalised) -> Iterator[tuple[str, int, int]]:
    """Words and sentence ends with their offsets in the original text."""
    text = folded.text
    spaced = {match.start(): match.end() for match in _SPACED.finditer(text)}
    position = 0
    while match := _TOKEN.search(text, position):
        start, position = match.start(), match.end()
        if start in spaced:
            position = spaced[start]
            yield re.sub(r"[\W_]", "", text[start:position]), *folded.original(start, position)
        else:
            yield SENTENCE_END if match["end"] else match.group(), *folded.original(start, position)
