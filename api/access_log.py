"""Who was let into what, and who was refused: counted by actor and route, written as audit events once a window.

A flood makes one event with a high count, not many events; beyond `ACTORS_MOST` actors and routes of a tenant the rest
is counted together. What a process has counted since its last window is lost when it is killed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from typing import Literal
from uuid import UUID

import structlog
from fastapi import Request
from sqlalchemy.exc import SQLAlchemyError

from helios import audit
from helios.database import Database
from helios.tokens import Identity

log = structlog.get_logger()

Action = Literal["access.granted", "access.refused"]
Entry = tuple[Action, str, UUID | None, str, str, int]
"""Action, kind and id of the actor, method, route's template, status."""

ACTORS_MOST = 100
WRITE_WITHIN_S = 5.0


class AccessLog:
    def __init__(self, database: Database, window_s: float) -> None:
        self._database = database
        self._window_s = window_s
        self._counted: dict[UUID, Counter[Entry]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._write_for_ever())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self.write()

    def note(self, identity: Identity, action: Action, request: Request, status: int) -> None:
        """Counts one. The route is its template: a path holds ids."""
        route = getattr(request.scope.get("route"), "path", "unmatched")
        self.count(identity, (action, identity.kind, identity.id, request.method, route, status))

    def count(self, identity: Identity, entry: Entry) -> None:
        counted = self._counted.setdefault(identity.tenant_id, Counter())
        if entry not in counted and len(counted) >= ACTORS_MOST:
            entry = (entry[0], "system", None, "*", "others", entry[5])
        counted[entry] += 1

    async def write(self) -> None:
        """One transaction a tenant. What cannot be written now is counted on, and written with the next window."""
        for tenant_id in list(self._counted):
            counted = self._counted.pop(tenant_id)
            try:
                async with asyncio.timeout(WRITE_WITHIN_S):
                    await self._write(tenant_id, counted)
            except (SQLAlchemyError, OSError, TimeoutError, asyncio.CancelledError) as error:
                self._counted.setdefault(tenant_id, Counter()).update(counted)
                if isinstance(error, asyncio.CancelledError):
                    raise
                log.warning("access log not written", error=type(error).__name__)

    async def _write(self, tenant_id: UUID, counted: Counter[Entry]) -> None:
        async with self._database.tenant(tenant_id) as connection:
            for (action, kind, actor_id, method, route, status), count in counted.items():
                detail = {"method": method, "route": route, "status": status, "count": count}
                await audit.record(
                    connection,
                    tenant_id,
                    action,
                    actor=("system" if actor_id is None else "customer" if kind == "customer" else "user", actor_id),
                    subject=("route", None),
                    detail=detail,
                )

    async def _write_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._window_s)
            await self.write()
