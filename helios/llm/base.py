"""The interface that every generator of answers keeps, and the types that pass through it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol
from uuid import UUID

if TYPE_CHECKING:
    import numpy as np

    from helios.knowledge.extraction import Selection

FailureKind = Literal["rate_limited", "unavailable", "timeout", "cut_off", "rejected", "invalid_response"]


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a published article that an answer may rest on."""

    chunk_id: UUID
    source_id: UUID
    version: int
    title: str
    text: str
    language: str
    score: float
    """Cosine similarity to the question, -1..1."""
    url: str | None = None
    sentences: tuple[str, ...] = ()
    """`text` cut into sentences, in the same order."""
    sentence_vectors: np.ndarray | None = None
    """(len(sentences), 384) float32, rows of length 1."""
    position: int | None = None
    """Its place among the article's passages, from 0, where that is known."""


@dataclass(frozen=True, slots=True)
class PastMessage:
    """An earlier message of the conversation, redacted."""

    role: Literal["customer", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """Everything a generator may know about one turn. No field holds unredacted personal data."""

    bank_name: str
    language: str
    """ISO 639-1 code of the customer's language."""
    question: str
    """What the customer asks, redacted with typed tokens such as <EMAIL_1>."""
    question_vector: np.ndarray | None
    """(384,) float32 of length 1."""
    passages: tuple[Passage, ...]
    """Best first; passage i is cited as [i + 1]."""
    history: tuple[PastMessage, ...]
    """Oldest first."""
    max_output_tokens: int = 600
    selection: Selection | None = None
    """The sentences of the passages that answer it, where somebody has looked: see helios/knowledge/confidence.py."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The answer is whole. Tokens are the provider's own counts."""

    model: str
    input_tokens: int
    """All input tokens, those read from the provider's cache included."""
    output_tokens: int
    cached_input_tokens: int
    supported: bool = True
    """False: nothing in the passages supports an answer, and the text says so."""
    cache_write_tokens: int = 0
    """Those of the input tokens that were written to the provider's cache, where it charges for that."""


class Generator(Protocol):
    """Writes an answer to a prompt, piece by piece."""

    name: str
    """The generator's name in `HELIOS_LLM`: openai, anthropic or offline."""
    local: bool
    """Runs in this process, without a network."""

    def stream(self, prompt: Prompt) -> AsyncIterator[TextDelta | Finished]:
        """Yield the answer's pieces and then exactly one Finished.

        Raises GeneratorError, also in mid-answer. Closing the iterator ends the request at the provider.
        """
        ...

    async def close(self) -> None:
        """Give back connections; the generator is not used after it."""
        ...


class GeneratorError(Exception):
    """A generator failed. The message holds neither text of the conversation nor a key.

    `kind` says what happened, `retryable` whether the same generator may succeed if asked again, and `retry_after_s`
    how long the provider asked us to wait first.
    """

    def __init__(
        self,
        kind: FailureKind,
        message: str = "",
        *,
        retry_after_s: float | None = None,
        retryable: bool | None = None,
    ) -> None:
        super().__init__(message or kind)
        self.kind: FailureKind = kind
        self.retry_after_s = retry_after_s
        self.retryable = kind != "rejected" if retryable is None else retryable
