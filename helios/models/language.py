"""Which language a customer writes: fastText's lid.176 (Joulin et al., 2016), 176 languages in under a megabyte.

Its file is read out of a package whose code is never run; the licence is in NOTICE.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol

from helios.models.weights import find_language_file

CONVERSATION_LANGUAGES: Final = frozenset(
    """
    ar bg bn ca cs da de el en es et fa fi fr he hi hr hu id it ja ko lt lv nl no pl pt ro ru sk sl sr sv ta th tl tr
    uk ur vi zh
    """.split()  # noqa: SIM905 - a table of codes reads better than quotes around each
)
"""What a customer is taken to write. The model's other languages are near neighbours of these in short messages."""
_NEIGHBOURS: Mapping[str, str] = MappingProxyType(
    {"als": "de", "arz": "ar", "ast": "es", "az": "tr", "bs": "hr", "gl": "es", "sh": "hr", "lmo": "it", "nn": "no"}
    | {"nds": "de", "sco": "en", "yue": "zh", "wuu": "zh", "ckb": "ar", "ps": "ar", "bar": "de", "ms": "id", "an": "es"}
)
"""A short German message may look Alemannic: the neighbour's probability counts for the language itself."""

CANDIDATES = 8
SHORT_WORDS = 2
SHORT_CONFIDENCE = 0.8
"""One or two words switch the language only where the model is this sure."""
CONFIDENCE = 0.4

_NO_LANGUAGE = re.compile(r"<[A-Z_]+\d*>|https?://\S+|\S+@\S+|\S*\d\S*")
_WORD = re.compile(r"[^\W\d_]+")
_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Scripts that write no spaces between words, or in which a word is two or three characters."""


class _Model(Protocol):
    def predict(self, text: str, k: int = 1) -> tuple[tuple[str, ...], tuple[float, ...]]: ...


@dataclass(frozen=True, slots=True)
class Language:
    """An ISO 639 code, of two letters where there is one, and the model's probability of it, 0..1."""

    code: str
    confidence: float


class LanguageIdentifier:
    """Tells languages apart in tens of microseconds. Safe to share between threads."""

    def __init__(self, model: _Model) -> None:
        self._model = model

    @classmethod
    def load(cls) -> LanguageIdentifier:
        """The identifier with its published model. Raises `helios.models.weights.WeightsError`."""
        import fasttext

        return cls(fasttext.load_model(str(find_language_file())))

    def detect(self, text: str, default: str = "en") -> Language:
        """The language to answer in: `default` where the text is too short or the model too unsure to leave it.

        Pass the conversation's language as the default: "ok" in the middle of a German conversation stays German.
        """
        words = _words(text)
        if not words:
            return Language(default, 0.0)
        likely = self._likely(words)
        if not likely:
            return Language(default, 0.0)
        code = max(likely, key=lambda candidate: likely[candidate])
        needed = SHORT_CONFIDENCE if _length(words) <= SHORT_WORDS else CONFIDENCE
        if code == default or likely[code] >= needed:
            return Language(code, min(1.0, likely[code]))
        return Language(default, min(1.0, likely.get(default, 0.0)))

    def identify(self, text: str) -> Language:
        """The model's best guess among all its 176 languages; `und` for a text without words."""
        words = _words(text)
        if not words:
            return Language("und", 0.0)
        (label, *_), (probability, *_) = self._model.predict(words, k=1)
        return Language(_code(label), min(1.0, float(probability)))

    def _likely(self, words: str) -> dict[str, float]:
        likely: dict[str, float] = {}
        for label, probability in zip(*self._model.predict(words, k=CANDIDATES), strict=True):
            code = _NEIGHBOURS.get(_code(label), _code(label))
            if code in CONVERSATION_LANGUAGES:
                likely[code] = likely.get(code, 0.0) + float(probability)
        return likely


def _words(text: str) -> str:
    """The text without what has no language: numbers, addresses, redaction tokens, line breaks, shouting."""
    # Shouted text looks like another language to a model that has read sentences.
    spoken = " ".join(_NO_LANGUAGE.sub(" ", text).split())
    if not _WORD.search(spoken):
        return ""
    return spoken.lower() if spoken.isupper() else spoken


def _length(words: str) -> int:
    unspaced = len(_UNSPACED.findall(words))
    return len(_WORD.findall(words)) + unspaced // 3


def _code(label: str) -> str:
    return label.removeprefix("__label__")
