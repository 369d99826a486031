"""Rules made of phrases, and the canonical text that they run over."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from helios.detection import lexicon
from helios.detection.phrases import NUMBER, SENTENCE_END, Need, Phrase, compile_phrases
from helios.detection.spans import Normalised, normalise

_TOKEN = re.compile(r"\d+(?:[.,:]\d+)*(?![^\W_])|[^\W_]+(?:['@$][^\W_]+)*|(?P<end>[.!?;…。！？]+|\n\s*\n)")
# Letters with something between each: "a g e n t", "s.c.a.m".
_REMEMBERED = 20_000  # words whose needs a book keeps
_SPACED = re.compile(r"(?<![^\W_])[^\W\d_]([ .\-_*·•]{1,2})(?:[^\W\d_]\1){2,}[^\W\d_](?![^\W_])")


@dataclass(frozen=True, slots=True)
class Reading:
    """A text as folded words and sentence ends, each with its offsets in the original: read once, for every book."""

    length: int
    words: tuple[tuple[str, int, int], ...]


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
    """One of ``phrases`` matches, unless one of ``unless`` does in the same sentence or sentences."""

    id: str
    number: int
    language: str
    phrases: tuple[Phrase, ...]
    unless: tuple[Phrase, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """A rule and where it matched: offsets in the original text."""

    rule: Rule
    start: int
    end: int


class _Index:
    """Which phrases a text may hold, told from its words alone, so that most patterns are never run."""

    def __init__(self) -> None:
        self._number: dict[Need, int] = {}
        self._exact: dict[str, int] = {}
        self._stems: dict[str, int] = {}
        self._lengths: tuple[int, ...] = ()
        self._of_word: dict[str, int] = {}

    def mask(self, needs: Iterable[Need]) -> int:
        """A bit for each need."""
        mask = 0
        for need in needs:
            bit = self._number.setdefault(need, len(self._number))
            mask |= 1 << bit
            for word in need:
                table, key = (self._stems, word[:-1]) if word.endswith("*") else (self._exact, word)
                table[key] = table.get(key, 0) | 1 << bit
        self._lengths = tuple({len(stem) for stem in self._stems})
        return mask

    def held(self, words: Iterable[str]) -> int:
        """The bits of the needs that these words fulfil."""
        held = 0
        for word in words:
            bits = self._of_word.get(word)
            held |= self._bits(word) if bits is None else bits
        return held

    def _bits(self, word: str) -> int:
        (number,) = NUMBER
        bits = self._exact.get(word, 0) | (self._exact.get(number, 0) if word[:1].isdecimal() else 0)
        for length in self._lengths:
            bits |= self._stems.get(word[:length], 0)
        if len(self._of_word) < _REMEMBERED:
            self._of_word[word] = bits
        return bits


class PhraseBook:
    """Rules of a table. ``find`` tells which of them a text fulfils."""

    def __init__(self, rules: Iterable[Rule], skipped: frozenset[str] = frozenset(), shortest_typo: int = 5) -> None:
        """``skipped`` words are read over; ``shortest_typo`` is the length from which a word may hold a slip."""
        self.rules = tuple(rules)
        self._skipped = skipped
        phrases = [phrase for rule in self.rules for phrase in (*rule.phrases, *rule.unless)]
        literals = (word for phrase in phrases for word in phrase.literals)
        self.vocabulary = lexicon.Vocabulary([*literals, *skipped], shortest_typo)
        self._index = _Index()
        self._phrases = [[(phrase, self._index.mask(phrase.needs)) for phrase in rule.phrases] for rule in self.rules]
        self._unless = [[(phrase, self._index.mask(phrase.needs)) for phrase in rule.unless] for rule in self.rules]
        self._openings = [
            (phrase, self._index.mask([phrase.opening] if phrase.opening is not None else []))
            for rule in self.rules
            for phrase in rule.phrases
        ]

    def canonical(self, text: str | Reading) -> Canonical:
        """``text`` as the rules read it."""
        reading = read(text) if isinstance(text, str) else text
        meant = self.vocabulary.meant
        pieces, places, spans = [SENTENCE_END + " "], [0], [(0, 0)]
        position = len(pieces[0])
        for word, start, end in reading.words:
            known = word if word == SENTENCE_END else meant(word)
            if known in self._skipped:
                continue
            piece = known + " "
            pieces.append(piece)
            places.append(position)
            spans.append((start, end))
            position += len(piece)
        return Canonical("".join(pieces), tuple(places), tuple(spans))

    def find(self, text: str | Reading, languages: frozenset[str] | None = None, after: int = 0) -> list[Found]:
        """Each rule's first match that stands and ends behind offset ``after``, in the order of the table.

        All languages are tried when none is given.
        """
        canonical = self.canonical(text)
        held = self._index.held(canonical.text.split(" "))
        found: list[Found] = []
        for rule, phrases, unless in zip(self.rules, self._phrases, self._unless, strict=True):
            if languages is not None and rule.language not in languages:
                continue
            live = [phrase for phrase, mask in phrases if mask & held == mask]
            if not live:
                continue
            barriers = [phrase for phrase, mask in unless if mask & held == mask]
            spans = [span for phrase in live if (span := _first_standing(phrase, barriers, canonical, after))]
            if spans:
                found.append(Found(rule, *min(spans)))
        return found

    def begun(self, text: str) -> int:
        """The offset from which ``text`` may begin a phrase that it does not end, or its length."""
        canonical = self.canonical(text)
        open_end = canonical.text.removesuffix(f"{SENTENCE_END} ")
        held = self._index.held(open_end.split(" "))
        starts = [
            match.start()
            for phrase, mask in self._openings
            if mask & held == mask and (match := phrase.begun.search(open_end))
        ]
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
            phrases=compile_phrases(phrases, named),
            unless=compile_phrases(unless or (), named),
        )


def read(text: str) -> Reading:
    """``text`` word by word: folded, contractions and short forms written out."""
    words: list[tuple[str, int, int]] = []
    for word, start, end in _tokens(normalise(text)):
        for part in lexicon.expand(lexicon.fold(word)) if word != SENTENCE_END else (word,):
            words.append((part, start, end))
    words.append((SENTENCE_END, len(text), len(text)))
    return Reading(len(text), tuple(words))


def _first_standing(phrase: Phrase, barriers: list[Phrase], canonical: Canonical, after: int) -> tuple[int, int] | None:
    """The first match behind ``after`` whose sentences hold none of ``barriers``, in offsets of the original."""
    text = canonical.text
    for match in phrase.pattern.finditer(text):
        span = canonical.original(*match.span())
        if span[1] <= after:
            continue
        start = max(text.rfind(SENTENCE_END, 0, match.start() + 1), 0)
        end = text.find(SENTENCE_END, match.end() - 1)
        end = end + 2 if end >= 0 else len(text)
        if not any(barrier.pattern.search(text, start, end) for barrier in barriers):
            return span
    return None


def _tokens(folded: Normalised) -> Iterator[tuple[str, int, int]]:
    """Words and sentence ends with their offsets in the original text."""
    text, same = folded.text, folded.starts is None
    spaced = {match.start(): match.end() for match in _SPACED.finditer(text)}
    position = 0
    for match in _TOKEN.finditer(text):
        start, end = match.span()
        if start < position:
            continue  # inside letters that are set apart
        word = match.group()
        if start in spaced:
            end = spaced[start]
            word = re.sub(r"[\W_]", "", text[start:end])
        elif match.lastgroup:
            word = SENTENCE_END
        position = end
        yield (word, start, end) if same else (word, *folded.original(start, end))
