"""Forbidden wordings that no phrase of ``output.yaml`` names: trained heads on single sentences of a draft.

A head has the name of a list and is asked beside it. What stands word for word in an approved passage is not asked
about: the bank has approved it.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from helios.detection import learned, lexicon
from helios.detection.features import grams
from helios.detection.learned import Floats
from helios.detection.spans import normalise

_SENTENCE_END = re.compile(r"(?<=[.!?…。！？])[\"'”’»)\]*_]*\s+|\n+")
_MARK = re.compile(r"\[\d{1,3}\]|[^\w\s]")
_WORD = re.compile(r"\w+")
_REMEMBERED: Final = 64


class Wording:
    """Judges the sentences of one answer. ``encode`` gives a text's vector, (384,) float32 of unit length.

    A sentence is judged once: the last look at a whole answer meets those again that left in windows.
    """

    def __init__(self, encode: Callable[[str], Floats]) -> None:
        self._encode = encode
        self._known: OrderedDict[str, dict[str, float]] = OrderedDict()

    def found(self, sentence: str) -> dict[str, float]:
        """Names of the lists that the sentence offends against, and how probably, 0..1."""
        plain = _MARK.sub(" ", sentence).strip()
        if not any(map(str.isalpha, plain)):
            return {}
        if plain not in self._known:
            heads, seen = learned.load("drafts"), undisguised(sentence)
            self._known[plain] = dict(heads.found(grams(seen), self._encode(seen)))
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return self._known[plain]


def undisguised(text: str) -> str:
    """As a reader sees it: wide letters, letters of other alphabets in a Latin word and invisible marks are unknown to
    the encoder, which would see no word of it."""
    return _WORD.sub(lambda word: lexicon.fold(word[0]), normalise(text).text)


def sentences(before: str, text: str) -> Iterator[str]:
    """The sentences that ``text`` ends or goes on with; the first with what of it stands in ``before``."""
    ends = [match.end() for match in _SENTENCE_END.finditer(before)]
    whole = before[ends[-1] if ends else 0 :] + text
    position = 0
    for match in _SENTENCE_END.finditer(whole):
        yield whole[position : match.start()]
        position = match.end()
    yield whole[position:]


def quoted(sentence: str, passages: Sequence[str]) -> bool:
    """Whether a passage says the sentence word for word; marks and citation numbers do not count."""
    words = _words(sentence)
    return any(f" {words} " in f" {_words(passage)} " for passage in passages)


def _words(text: str) -> str:
    return " ".join(_MARK.sub(" ", text).lower().split())
