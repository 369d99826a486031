"""Places that tenants take turns for: who brings much waits behind himself, not in front of the others.

Temporal lets tenants take turns where tasks wait at the server. A worker takes hundreds of tasks, since a turn holds
one while a model writes, so what computes must take turns in the worker itself.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID


class FairTurns:
    """So many places at once. A free one goes to the tenant that holds the fewest and was served the longest ago."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._held: Counter[UUID] = Counter()
        # Who was served the longest ago first; within a tenant, in the order in which they came.
        self._waiting: OrderedDict[UUID, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def of(self, tenant_id: UUID) -> AsyncIterator[None]:
        """A place for the tenant, waited for where none is free."""
        if self._free:
            self._take(tenant_id)
        else:
            await self._wait(tenant_id)
        try:
            yield
        finally:
            self._leave(tenant_id)

    def _take(self, tenant_id: UUID) -> None:
        self._free -= 1
        self._held[tenant_id] += 1

    def _leave(self, tenant_id: UUID) -> None:
        self._free += 1
        self._held[tenant_id] -= 1
        if not self._held[tenant_id]:
            del self._held[tenant_id]
        if tenant_id in self._waiting:
            self._waiting.move_to_end(tenant_id)
        self._serve()

    def _serve(self) -> None:
        while self._free and self._waiting:
            tenant_id = min(self._waiting, key=lambda waiting: self._held[waiting])
            queue = self._waiting.pop(tenant_id)
            one = queue.popleft()
            if queue:
                self._waiting[tenant_id] = queue
            if not one.done():  # given up in this very moment
                self._take(tenant_id)
                one.set_result(None)

    async def _wait(self, tenant_id: UUID) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant_id, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._forget(tenant_id, turn)
            else:  # it was given a place and cancelled before it could take it
                self._leave(tenant_id)
            raise

    def _forget(self, tenant_id: UUID, turn: asyncio.Future[None]) -> None:
        queue = self._waiting.get(tenant_id)
        if queue is not None and turn in queue:
            queue.remove(turn)
            if not queue:
                del self._waiting[tenant_id]
