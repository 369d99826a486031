"""Reads a provider's stream: deadlines, failures and the end of an answer, the same for every provider."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from helios.llm.base import Finished, GeneratorError, TextDelta
from helios.llm.events import EventStream
from helios.settings import Settings

T = TypeVar("T")
Diagnose = Callable[[Exception, bool], GeneratorError | None]
"""(error, whether the response had begun) → the failure it means, or None if it is a bug of ours."""

TAIL_S = 2.0
"""After the provider said that the answer is over: how long its last counts may still take."""
MAX_CHARS_PER_TOKEN = 32
"""Far above any language's real ratio: only a server that ignores the limit reaches it."""


class Answer(Protocol):
    """An answer as it grows, event by event."""

    @property
    def over(self) -> bool:
        """The provider said that the answer is whole."""
        ...

    def take(self, event: dict[str, Any]) -> str:
        """The text that an event adds, if any. Raises GeneratorError, or anything at all on a wrong shape."""
        ...

    def finished(self) -> Finished:
        """The end of the answer. Raises GeneratorError if what came is not a whole answer."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """How long an answer may take, in seconds, and how long it may be."""

    first_token_s: float
    idle_s: float
    total_s: float
    characters: int

    @classmethod
    def of(cls, settings: Settings, max_output_tokens: int) -> Limits:
        """The limits of a process's settings for one answer."""
        return cls(
            first_token_s=settings.llm_first_token_timeout_s,
            idle_s=settings.llm_idle_timeout_s,
            total_s=settings.llm_answer_timeout_s,
            characters=max_output_tokens * MAX_CHARS_PER_TOKEN,
        )


async def relay(
    open_stream: Callable[[], Awaitable[EventStream]], answer: Answer, diagnose: Diagnose, limits: Limits
) -> AsyncGenerator[TextDelta | Finished, None]:
    """Yield an answer's pieces and its end, within the limits. Whatever happens, the stream is closed at once.

    Failures are raised outside of the handlers that caught their cause: no traceback or `__context__` then leads to
    an SDK's exception, which holds the request with the conversation and the key.
    """
    clock = asyncio.get_running_loop().time
    end = clock() + limits.total_s
    deadline = min(clock() + limits.first_token_s, end)
    stream, failure = await _attempt(open_stream(), deadline, diagnose, opened=False)
    if stream is None:
        raise failure or GeneratorError("invalid_response")
    try:
        events, length = aiter(stream), 0
        while True:
            piece, failure = await _attempt(_next_piece(events, answer), deadline, diagnose, opened=True)
            if failure is not None and not answer.over:
                raise failure
            if piece is None:
                break
            if piece:
                length += len(piece)
                if length > limits.characters:
                    raise GeneratorError("invalid_response", "longer than was asked for")
                yield TextDelta(piece)
                deadline = min(clock() + limits.idle_s, end)
            if answer.over:
                deadline = min(deadline, clock() + TAIL_S)
        yield answer.finished()
    finally:
        await stream.close()


async def _next_piece(events: AsyncIterator[dict[str, Any]], answer: Answer) -> str | None:
    """The next event's text, "" if it has none; None at the end of the stream."""
    try:
        event = await anext(events)
    except StopAsyncIteration:
        return None
    return answer.take(event)


async def _attempt(
    work: Awaitable[T], deadline: float, diagnose: Diagnose, *, opened: bool
) -> tuple[T | None, GeneratorError | None]:
    """What `work` gives before the deadline (loop time), or why it failed."""
    try:
        async with asyncio.timeout_at(deadline):
            return await work, None
    except Exception as error:
        failure = diagnose(error, opened)
        if failure is None:
            raise
        return None, failure


def count(usage: object, name: str) -> int:
    """A token count of a provider's usage object; 0 where it is missing or no count."""
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and value > 0 else 0
