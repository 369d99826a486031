"""A small language for phrases over words, so that tables of rules stay readable, and its compiler to ``re``.

word            that word, also with a typo or two when it is long enough (see lexicon.py)
stem*           a word that begins so
(a|b c|d)       one of these;   x?  x or nothing;   (a|b)?  likewise
..3             up to three words of the same sentence;   ~12  up to twelve words, sentence ends among them
%               a number
<name>          the phrase of that name in the table's ``words``
^ and $         the beginning and the end of a sentence
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from helios.detection import lexicon

SENTENCE_END = "\n"

_SYMBOL = re.compile(
    r"\s*(?:(?P<gap>(?:\.\.|~)\d+)|<(?P<name>\w+)>|(?P<mark>[()|?^$%])|(?P<word>[^\s()|?^$%<>.~]+))\s*",
)


@dataclass(frozen=True, slots=True)
class Phrase:
    """``pattern`` finds the phrase in a canonical text; ``begun`` is a pattern for one that the text's end cuts off."""

    pattern: re.Pattern[str]
    begun: str
    literals: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of a phrase: ``begun`` matches what leads up to the end of the text before the piece is complete."""

    regex: str
    begun: str
    literals: frozenset[str] = frozenset()


_NOTHING = _Part("", "(?!)")


def compile_phrases(sources: Iterable[str], named: Mapping[str, str]) -> Phrase:
    """One pattern for a list of phrases. Raises ValueError for a phrase that is not well formed."""
    whole = _either([_Parser(source, named).parse() for source in sources])
    start = "(?<![^ ])"
    return Phrase(re.compile(start + whole.regex), start + whole.begun, whole.literals)


class _Parser:
    def __init__(self, source: str, named: Mapping[str, str], depth: int = 0) -> None:
        if depth > 8:
            raise ValueError(f"the words of a phrase name each other in a circle: {source!r}")
        self._source, self._named, self._depth = source, named, depth
        self._symbols = list(self._scan())
        self._position = 0

    def parse(self) -> _Part:
        part = self._alternatives()
        if self._position < len(self._symbols):
            raise ValueError(f"unbalanced bracket in {self._source!r}")
        return part

    def _scan(self) -> Iterable[tuple[str, str]]:
        position = 0
        source = self._source.strip()
        while position < len(source):
            match = _SYMBOL.match(source, position)
            if match is None:
                raise ValueError(f"cannot read {source[position:]!r} in {source!r}")
            yield str(match.lastgroup), match[str(match.lastgroup)]
            position = match.end()

    def _peek(self) -> tuple[str, str]:
        return self._symbols[self._position] if self._position < len(self._symbols) else ("end", "")

    def _alternatives(self) -> _Part:
        parts = [self._sequence()]
        while self._peek() == ("mark", "|"):
            self._position += 1
            parts.append(self._sequence())
        return _either(parts)

    def _sequence(self) -> _Part:
        items: list[_Part] = []
        while self._peek()[0] != "end" and self._peek()[1] not in ("|", ")"):
            items.append(self._item())
        return _in_order(items)

    def _item(self) -> _Part:
        part = self._one()
        if self._peek() == ("mark", "?"):
            self._position += 1
            return _Part(f"(?:{part.regex})?", part.begun, part.literals)
        return part

    def _one(self) -> _Part:
        kind, value = self._peek()
        self._position += 1
        if kind == "word":
            return _word(value)
        if kind == "gap":
            most = int(value.lstrip(".~"))
            other = r"[^ \n]+" if value[0] == "." else r"[^ ]+"
            return _Part(f"(?:{other} ){{0,{most}}}?", rf"(?:{other} ){{0,{most}}}?\Z")
        if kind == "name":
            if value not in self._named:
                raise ValueError(f"no words are named {value!r}, in {self._source!r}")
            return _Parser(self._named[value], self._named, self._depth + 1).parse()
        if value == "(":
            part = self._alternatives()
            if self._peek() != ("mark", ")"):
                raise ValueError(f"unbalanced bracket in {self._source!r}")
            self._position += 1
            return part
        if value in ("^", "$"):
            return _Part(r"(?<=\n )", "(?!)") if value == "^" else _Part(r"(?=\n )", r"\Z")
        if value == "%":
            return _Part(r"\d[^ ]* ", r"\Z")
        raise ValueError(f"{value!r} has no place there in {self._source!r}")


def _word(word: str) -> _Part:
    stem = word.removesuffix("*")
    folded = lexicon.fold(stem)
    if not folded.isalnum():
        raise ValueError(f"{word!r} is not a word of letters and digits")
    if stem != word:
        return _Part(re.escape(folded) + "[^ ]* ", r"\Z")
    expanded = lexicon.expand(folded)
    if expanded != (folded,):
        raise ValueError(f"write {word!r} as {' '.join(expanded)!r}")
    return _Part(re.escape(folded) + " ", r"\Z", frozenset({folded}))


def _in_order(items: list[_Part]) -> _Part:
    if not items:
        return _NOTHING
    begun = "(?!)"
    for item in reversed(items):
        begun = f"(?:{item.begun}|{item.regex}{begun})"
    return _Part("".join(item.regex for item in items), begun, frozenset().union(*(item.literals for item in items)))


def _either(parts: list[_Part]) -> _Part:
    if len(parts) == 1:
        return parts[0]
    return _Part(
        "(?:" + "|".join(part.regex for part in parts) + ")",
        "(?:" + "|".join(part.begun for part in parts) + ")",
        frozenset().union(*(part.literals for part in parts)),
    )
