"""The generator that needs neither key nor network: it answers with sentences of the retrieved passages, word for word.

It is what a fresh clone answers with, and the last of every chain. Where nothing supports an answer it says so and
offers a person.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import yaml

from helios.knowledge.confidence import confidence, look_into
from helios.knowledge.terms import fold, terms, tokens
from helios.llm.base import Finished, TextDelta

if TYPE_CHECKING:
    from helios.knowledge.extraction import Selection
    from helios.llm.base import Prompt
    from helios.models.embedder import TextEncoder
    from helios.models.intent import IntentClassifier

MODEL: Final = "offline-extractive-1"
_TEXTS_FILE = Path(__file__).with_name("offline_texts.yaml")
_PIECE = re.compile(r"\S+\s*")
ASKS_BACK_FROM: Final = 0.3
"""The confidence below which no article comes near enough to be named: see docs/answers.md."""


class OfflineGenerator:
    """Generates answers in process, always the same one for the same prompt.

    With an `encoder` each part of a question is weighed by a vector of its own, with `intents` what no intent fits is
    declined sooner.
    """

    name: str = "offline"
    local: bool = True

    def __init__(
        self, encoder: TextEncoder | None = None, words_per_s: float = 0.0, intents: IntentClassifier | None = None
    ) -> None:
        self._encoder = encoder
        self._intents = intents
        self._pause_s = 1.0 / words_per_s if words_per_s else 0.0

    async def stream(self, prompt: Prompt) -> AsyncIterator[TextDelta | Finished]:
        """The answer word by word, then `Finished`. Each sentence is followed by the number of its passage, ` [1]`.

        Tokens are counted as words, and cost nothing. `max_output_tokens` does not apply: an answer has at most a few
        sentences, and none is cut.
        """
        text, supported = await asyncio.to_thread(self._answer, prompt)
        for piece in _PIECE.findall(text):
            if self._pause_s:
                await asyncio.sleep(self._pause_s)
            yield TextDelta(piece)
        read = sum(len(passage.text.split()) for passage in prompt.passages) + len(prompt.question.split())
        yield Finished(MODEL, read, len(text.split()), 0, supported)

    async def close(self) -> None:
        """There is nothing to give back."""

    def _answer(self, prompt: Prompt) -> tuple[str, bool]:
        texts = texts_for(prompt.language)
        courtesy = courtesy_of(prompt)
        if courtesy is not None:
            return texts[courtesy].format(bank=prompt.bank_name), True
        selection = prompt.selection or look_into(prompt, self._encoder, self._intents).selection
        if selection is None or not selection.quotes:
            return declined(prompt, selection.support if selection else 0.0), False
        missing = [texts["no_answer_part"].format(which=texts[f"part_{place}"]) for place in selection.unanswered]
        return " ".join([_with_citations(selection), *missing]), True


def declined(prompt: Prompt, support: float) -> str:
    """What is said instead of an answer: where two articles come near, which of them is meant, else the offer of a
    person. The passages of a customer's prompt are public, and so are their titles."""
    texts = texts_for(prompt.language)
    titles = list(dict.fromkeys(each.title for each in prompt.passages if each.language == prompt.language))
    if confidence(support, prompt.language) < ASKS_BACK_FROM or len(titles) < 2:
        return texts["no_answer"].format(bank=prompt.bank_name)
    return texts["which"].format(first=titles[0], second=titles[1])


def _with_citations(selection: Selection) -> str:
    return " ".join(f"{quote.text} [{quote.passage + 1}]" for quote in selection.quotes)


def courtesy_of(prompt: Prompt) -> str | None:
    """`greeting` or `thanks` for a message that is nothing else: it asks nothing that a passage could answer."""
    if terms(prompt.question, prompt.language) and len(tokens(prompt.question)) > 4:
        return None
    spoken = " ".join(tokens(prompt.question))
    for kind, pattern in _courtesies().items():
        if pattern.fullmatch(spoken):
            return kind
    return None


@lru_cache(maxsize=1)
def _table() -> dict[str, dict[str, object]]:
    loaded: dict[str, dict[str, object]] = yaml.safe_load(_TEXTS_FILE.read_text(encoding="utf-8"))
    return loaded


@lru_cache(maxsize=32)
def texts_for(language: str) -> dict[str, str]:
    texts = _table()["texts"]
    chosen = texts.get(language, texts["en"])
    if not isinstance(chosen, dict):
        raise TypeError(f"{_TEXTS_FILE}: the texts of {language} are not a mapping")
    return chosen


@lru_cache(maxsize=1)
def _courtesies() -> dict[str, re.Pattern[str]]:
    """One pattern a kind: its phrases, any number of them, in any order."""
    phrases = {kind: sorted(map(fold, str(words).split(", ")), key=len) for kind, words in _table()["said"].items()}
    return {
        kind: re.compile(rf"(?:(?:{'|'.join(map(re.escape, reversed(words)))})(?:\s+|$))+")
        for kind, words in phrases.items()
    }
