"""Places that callers take turns for: who brings much waits behind himself, not in front of the others.

A caller is whatever brings work: a tenant where steps compute, an address where people sign in. Temporal lets tenants
take turns where tasks wait at the server. A worker takes hundreds of tasks, since a turn holds one while a model
writes, so what computes must take turns in the worker itself.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

Who = TypeVar("Who", bound=Hashable)


class TooManyWaiting(Exception):
    """As many of this one wait as may."""


class FairTurns(Generic[Who]):
    """So many places at once. A free one goes to who holds the fewest and was served the longest ago.

    Of those who hold as few, whom `preferred` names goes first. Of one caller `waiting_most` wait.
    """

    def __init__(
        self, places: int, *, preferred: Callable[[Who], bool] | None = None, waiting_most: int | None = None
    ) -> None:
        self._free = places
        self._preferred = preferred or (lambda _: False)
        self._waiting_most = waiting_most
        self._held: Counter[Who] = Counter()
        # Who was served the longest ago first; within one, in the order in which they came.
        self._waiting: OrderedDict[Who, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def of(self, who: Who) -> AsyncIterator[None]:
        """A place, waited for where none is free. Raises `TooManyWaiting`."""
        if self._free:
            self._take(who)
        else:
            await self._wait(who)
        try:
            yield
        finally:
            self._leave(who)

    def _take(self, who: Who) -> None:
        self._free -= 1
        self._held[who] += 1

    def _leave(self, who: Who) -> None:
        self._free += 1
        self._held[who] -= 1
        if not self._held[who]:
            del self._held[who]
        if who in self._waiting:
            self._waiting.move_to_end(who)
        self._serve()

    def _serve(self) -> None:
        while self._free and self._waiting:
            who = min(self._waiting, key=lambda waiting: (self._held[waiting], not self._preferred(waiting)))
            queue = self._waiting.pop(who)
            one = queue.popleft()
            if queue:
                self._waiting[who] = queue
            if not one.done():  # given up in this very moment
                self._take(who)
                one.set_result(None)

    async def _wait(self, who: Who) -> None:
        if self._waiting_most is not None and len(self._waiting.get(who, ())) >= self._waiting_most:
            raise TooManyWaiting
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(who, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._forget(who, turn)
            else:  # it was given a place and cancelled before it could take it
                self._leave(who)
            raise

    def _forget(self, who: Who, turn: asyncio.Future[None]) -> None:
        queue = self._waiting.get(who)
        if queue is not None and turn in queue:
            queue.remove(turn)
            if not queue:
                del self._waiting[who]
