"""A circuit breaker: a provider that is down is not asked again by every turn, each waiting for its timeout."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from typing import Literal

from helios.llm.base import FailureKind, Finished, GeneratorError, Prompt, TextDelta
from helios.llm.remote import SdkGenerator

Entry = Literal["call", "try"]
Verdict = Literal["healthy", "failed", "undecided"]

COUNTED: frozenset[FailureKind] = frozenset({"unavailable", "timeout", "cut_off", "invalid_response"})
"""Failures that say the provider is ill. One that answers 429 or refuses a request is well and quick."""


class Breaker:
    """Closed: calls pass. After `failures` in a row it opens for `open_s` seconds; then one call at a time tries.

    For one event loop; it does no waiting of its own.
    """

    def __init__(self, failures: int, open_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = failures
        self._open_s = open_s
        self._clock = clock
        self._failures = 0
        self._open_until: float | None = None
        self._trying = False

    @property
    def state(self) -> Literal["closed", "open", "half_open"]:
        """Where the breaker stands now."""
        if self._open_until is None:
            return "closed"
        return "open" if self._clock() < self._open_until else "half_open"

    def enter(self) -> Entry | float:
        """Ask to make a call: how it may be made (`leave` must follow), or else the seconds until the next try."""
        if self._open_until is None:
            return "call"
        wait = self._open_until - self._clock()
        if wait > 0:
            return wait
        if self._trying:
            return self._open_s
        self._trying = True
        return "try"

    def leave(self, entry: Entry, verdict: Verdict) -> None:
        """Tell how a call went. Undecided (stopped before anything was known) changes no count."""
        if entry == "try":
            self._trying = False
        if verdict == "healthy":
            self._failures, self._open_until = 0, None
        elif verdict == "failed":
            self._failures += 1
            # A call from before it opened, failing late, does not keep it open for longer.
            if entry == "try" or (self._open_until is None and self._failures >= self._limit):
                self._open_until = self._clock() + self._open_s


class GuardedGenerator:
    """A generator behind a breaker of its own."""

    def __init__(self, inner: SdkGenerator, breaker: Breaker) -> None:
        self.name = inner.name
        self.local = inner.local
        self.breaker = breaker
        self._inner = inner

    async def stream(self, prompt: Prompt) -> AsyncGenerator[TextDelta | Finished, None]:
        """Yield what the inner generator yields. While the breaker is open: GeneratorError unavailable, not retryable,
        with the time until the next try."""
        entry = self.breaker.enter()
        if isinstance(entry, float):
            message = f"{self.name}: not asked, it failed repeatedly"
            raise GeneratorError("unavailable", message, retry_after_s=entry, retryable=False)
        verdict: Verdict = "undecided"
        pieces = self._inner.stream(prompt)
        try:
            async for piece in pieces:
                if isinstance(piece, Finished):
                    verdict = "healthy"
                yield piece
        except GeneratorError as error:
            verdict = "failed" if error.kind in COUNTED else "healthy"
            raise
        finally:
            self.breaker.leave(entry, verdict)
            await pieces.aclose()

    async def close(self) -> None:
        """Close the inner generator."""
        await self._inner.close()
