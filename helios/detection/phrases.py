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
from functools import cached_property

from helios.detection import lexicon

SENTENCE_END = "\n"

_SYMBOL = re.compile(
    r"\s*(?:(?P<gap>(?:\.\.|~)\d+)|<(?P<name>\w+)>|(?P<mark>[()|?^$%])|(?P<word>[^\s()|?^$%<>.~]+))\s*",
)


Need = frozenset[str]
"""Words of which a text must hold one: a word, ``stem*``, or ``%`` for a number."""
NUMBER: Need = frozenset({"%"})


@dataclass(frozen=True)
class Phrase:
    """A phrase, its patterns made when a text first needs them: of hundreds most are never tried.

    ``needs``: what a text must hold, each of them, before ``pattern`` can match; ``opening``: what it must hold before
    a match can have begun, None where that can't be told from words.
    """

    regex: str
    begun_regex: str
    literals: frozenset[str]
    needs: tuple[Need, ...]
    opening: Need | None

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Finds the phrase in a canonical text."""
        return re.compile(_START + self.regex)

    @cached_property
    def begun(self) -> re.Pattern[str]:
        """Finds a phrase that the text's end cuts off."""
        return re.compile(_START + self.begun_regex)


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of a phrase: ``begun`` matches what leads up to the end of the text before the piece is complete."""

    regex: str
    begun: str
    literals: frozenset[str] = frozenset()
    needs: tuple[Need, ...] = ()
    opening: Need | None = None
    optional: bool = False


_NOTHING = _Part("", "(?!)")
_START = "(?<![^ ])"


def compile_phrases(sources: Iterable[str], named: Mapping[str, str]) -> tuple[Phrase, ...]:
    """The phrases of a list. Raises ValueError for one that is not well formed."""
    parts = (_Parser(source, named).parse() for source in sources)
    return tuple(Phrase(part.regex, part.begun, part.literals, part.needs, part.opening) for part in parts)


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
            return _Part(f"(?:{part.regex})?", part.begun, part.literals, (), part.opening, optional=True)
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
            edge = (r"(?<=\n )", "(?!)") if value == "^" else (r"(?=\n )", r"\Z")
            return _Part(*edge, opening=frozenset(), optional=True)
        if value == "%":
            return _Part(r"\d[^ ]* ", r"\Z", frozenset(), (NUMBER,), NUMBER)
        raise ValueError(f"{value!r} has no place there in {self._source!r}")


def _word(word: str) -> _Part:
    stem = word.removesuffix("*")
    folded = lexicon.fold(stem)
    if not folded.isalnum():
        raise ValueError(f"{word!r} is not a word of letters and digits")
    if stem != word:
        need = frozenset({folded + "*"})
        return _Part(re.escape(folded) + "[^ ]* ", r"\Z", frozenset(), (need,), need)
    expanded = lexicon.expand(folded)
    if expanded != (folded,):
        raise ValueError(f"write {word!r} as {' '.join(expanded)!r}")
    need = frozenset({folded})
    return _Part(re.escape(folded) + " ", r"\Z", need, (need,), need)


def _in_order(items: list[_Part]) -> _Part:
    if not items:
        return _NOTHING
    begun = "(?!)"
    for item in reversed(items):
        begun = f"(?:{item.begun}|{item.regex}{begun})"
    return _Part(
        "".join(item.regex for item in items),
        begun,
        frozenset().union(*(item.literals for item in items)),
        tuple(dict.fromkeys(need for item in items for need in item.needs)),
        _opening(items),
        optional=all(item.optional for item in items),
    )


def _opening(items: list[_Part]) -> Need | None:
    """What the first word of a sequence may be."""
    openings: list[Need] = []
    for item in items:
        if item.opening is None:
            return None
        openings.append(item.opening)
        if not item.optional:
            break
    return frozenset().union(*openings)


def _either(parts: list[_Part]) -> _Part:
    if len(parts) == 1:
        return parts[0]
    openings = [part.opening for part in parts if part.opening is not None]
    return _Part(
        "(?:" + "|".join(part.regex for part in parts) + ")",
        "(?:" + "|".join(part.begun for part in parts) + ")",
        frozenset().union(*(part.literals for part in parts)),
        # Of each alternative its rarest need, taken to be the one with the fewest words.
        (frozenset().union(*(min(part.needs, key=len) for part in parts)),) if all(p.needs for p in parts) else (),
        frozenset().union(*openings) if len(openings) == len(parts) else None,
        optional=any(part.optional for part in parts),
    )
