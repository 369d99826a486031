"""Words as the rules know them: folded, contractions written out, typos mapped to the word that was meant."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from itertools import combinations

from helios.detection import tables

# From this length on a word may hold one typo, or two.
_ONE_TYPO, _TWO_TYPOS = 5, 10
_LONGEST = 24

_CONTRACTION = re.compile(r"(.+?)(n't|'m|'ve|'ll|'re|'d)")
_ENDINGS = {"n't": "not", "'m": "am", "'ve": "have", "'ll": "will", "'re": "are", "'d": "would"}
_LEET = str.maketrans("4301578@$", "aeoistbas")
_LATIN = re.compile("[a-z]")
_ALIKE = str.maketrans(
    "асеорхуіјѕԁһкмтвнαεορτυνικ", "aceopxyijsdhkmtbhaeoptuvik"
)  # Cyrillic and Greek letters that look Latin
_REPEATED = re.compile(r"(.)\1{2,}")


def fold(word: str) -> str:
    """Without accents, in the spelling that the tables use: 'für' is 'fur', 'Straße' is 'strasse'."""
    if word.isascii():
        return word
    if _LATIN.search(word):
        word = word.translate(_ALIKE)  # one word in two alphabets is a disguise
    decomposed = unicodedata.normalize("NFD", word.replace("ß", "ss"))
    return "".join(character for character in decomposed if not unicodedata.combining(character))


@lru_cache(20_000)
def expand(word: str) -> tuple[str, ...]:
    """The words that a contraction or a short form stands for: "didn't" is did not, "pls" is please."""
    table: Mapping[str, str] = _table()["short_forms"]
    if word in table:
        return tuple(str(table[word]).split())
    if "'" not in word:
        return (word,)
    if contraction := _CONTRACTION.fullmatch(word):
        return contraction[1].replace("'", ""), _ENDINGS[contraction[2]]
    return (word.removesuffix("'s").replace("'", ""),)


@cache
def _table() -> Mapping[str, Mapping[str, str]]:
    table: Mapping[str, Mapping[str, str]] = tables.load("lexicon")
    return table


@cache
def _real_words() -> frozenset[str]:
    return tables.words(str(_table()["real_words"]))


class Vocabulary:
    """The words of a table of rules, found also when they are mistyped: from ``shortest`` letters on with one slip."""

    def __init__(self, words: Iterable[str], shortest: int = _ONE_TYPO) -> None:
        self._shortest = shortest
        self._words = frozenset(words)
        self._by_deletion: defaultdict[str, set[str]] = defaultdict(set)
        for word in self._words:
            for shorter in _deletions(word, shortest):
                self._by_deletion[shorter].add(word)
        self.meant = lru_cache(20_000)(self._meant)

    def _meant(self, word: str) -> str:
        """The word of the vocabulary that ``word`` is or was meant to be, else ``word``."""
        if word in self._words or len(word) > _LONGEST:
            return word
        for other in (word.translate(_LEET), _REPEATED.sub(r"\1", word), _REPEATED.sub(r"\1\1", word)):
            if other in self._words and not word.isdecimal():
                return other
        if word in _real_words() or not word.isalpha():
            return word
        near = {known for shorter in _deletions(word, self._shortest) for known in self._by_deletion.get(shorter, ())}
        ranked = sorted((distance(word, known), known) for known in near if _same_beginning(word, known))
        return next((known for typos, known in ranked if typos <= _typos(known, self._shortest)), word)


def distance(left: str, right: str) -> int:
    """Edits between two words, where swapping neighbours is one (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        before, last, row = row, before, [i]
        for j, b in enumerate(right, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]


def _typos(word: str, shortest: int) -> int:
    return 2 if len(word) >= _TWO_TYPOS else 1 if len(word) >= shortest else 0


def _same_beginning(word: str, known: str) -> bool:
    """Hardly anyone mistypes the first letter, and words that differ there are mostly other words."""
    return word[0] == known[0] or word[:2] == known[1::-1]


def _deletions(word: str, shortest: int) -> set[str]:
    """``word`` with up to as many letters left out as it may hold typos: two near words share one of these."""
    most = _typos(word, shortest) if len(word) >= shortest else int(len(word) == shortest - 1)
    if len(word) == _TWO_TYPOS - 1 or len(word) == _TWO_TYPOS - 2:
        most = 2  # two letters of a longer word may be missing
    shorter = {word}
    for count in range(1, most + 1):
        for gone in combinations(range(len(word)), count):
            shorter.add("".join(letter for place, letter in enumerate(word) if place not in gone))
    return shorter
