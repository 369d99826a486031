"""Who was let into what, and who was refused: counted once the answer is known, written as audit events once a window.

A flood makes one event with a high count, not many events. Staff who are let in are never counted together:
who looked at what is what this log is for. The rest is bounded: a caller has `ROUTES_MOST` refusals of his own, a
tenant `OTHERS_MOST` callers that are no staff; what is beyond loses its route or its name and not its count. What a
process has counted since its last window is lost when it is killed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Scope

from api.permissions import SENSITIVE
from api.routes import template
from helios import audit
from helios.database import Database
from helios.tokens import Identity

if TYPE_CHECKING:
    from api.backends import Backend

log = structlog.get_logger()

Kind = Literal["user", "customer", "api_key"]
Action = Literal["access.granted", "access.refused", "auth.sso_failed"]

REFUSALS = (401, 403, 404)
"""A thing of another tenant cannot be told from one that is not there: both are noted."""
ROUTES_MOST = 100
OTHERS_MOST = 100
WRITE_WITHIN_S = 5.0
WRITTEN_AT_ONCE = 500


class Entry(NamedTuple):
    """`route`: its template, since a path holds ids. `subject`: what was asked for by somebody who may. `code`: of the
    problem, and its `reason`, where the event tells them."""

    action: Action
    kind: Kind
    actor_id: UUID | None
    method: str
    route: str
    status: int
    subject: tuple[str, UUID] | None = None
    code: str = ""
    reason: str = ""


@dataclass(slots=True)
class Window:
    """What a tenant's callers did since it was written last."""

    entries: Counter[Entry] = field(default_factory=Counter)
    refusals: Counter[UUID | None] = field(default_factory=Counter)
    """Different ones, by caller."""
    others: set[UUID | None] = field(default_factory=set)
    """Callers that are no staff."""

    def add(self, entry: Entry, count: int = 1) -> None:
        if entry not in self.entries and not (entry.kind == "user" and entry.action == "access.granted"):
            entry = self._bounded(entry)
        self.entries[entry] += count

    def _bounded(self, entry: Entry) -> Entry:
        if entry.kind != "user" and entry.actor_id not in self.others:
            if len(self.others) >= OTHERS_MOST:
                return entry._replace(actor_id=None, subject=None)
            self.others.add(entry.actor_id)
        if self.refusals[entry.actor_id] >= ROUTES_MOST:
            return entry._replace(method="*", route="others", subject=None)
        self.refusals[entry.actor_id] += 1
        return entry


class AccessLog:
    def __init__(self, database: Database, window_s: float) -> None:
        self._database = database
        self._window_s = window_s
        self._windows: dict[UUID, Window] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._write_for_ever())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self.write()

    def note(self, scope: Scope, status: int) -> None:
        """What became of a request, if it is known whose it was: any refusal, and what is sensitive."""
        state = scope.get("state", {})
        who: Identity | Backend | None = state.get("identity") or state.get("backend")
        if who is None:
            return
        told = (who.kind, who.id, scope.get("method", "WEBSOCKET"), template(scope), status)
        if status in REFUSALS:
            self.count(who.tenant_id, Entry("access.refused", *told))
        elif who.kind == "user" and state.get("permission") in SENSITIVE:
            self.count(who.tenant_id, Entry("access.granted", *told, _subject(scope)))

    def count(self, tenant_id: UUID, entry: Entry) -> None:
        self._windows.setdefault(tenant_id, Window()).add(entry)

    async def write(self) -> None:
        """What cannot be written now is counted on, and written with the next window."""
        for tenant_id in list(self._windows):
            left = list(self._windows.pop(tenant_id).entries.items())
            try:
                while left:
                    async with asyncio.timeout(WRITE_WITHIN_S):
                        await self._write(tenant_id, left[:WRITTEN_AT_ONCE])
                    del left[:WRITTEN_AT_ONCE]
            except (SQLAlchemyError, OSError, TimeoutError, asyncio.CancelledError) as error:
                for entry, count in left:
                    self._windows.setdefault(tenant_id, Window()).add(entry, count)
                if isinstance(error, asyncio.CancelledError):
                    raise
                log.warning("access log not written", error=type(error).__name__)

    async def _write(self, tenant_id: UUID, entries: Sequence[tuple[Entry, int]]) -> None:
        async with self._database.tenant(tenant_id) as connection:
            for entry, count in entries:
                told = {"method": entry.method, "route": entry.route, "status": entry.status, "count": count}
                words = {"code": entry.code, "reason": entry.reason}
                detail = {**told, **{name: word for name, word in words.items() if word}}
                await audit.record(
                    connection,
                    tenant_id,
                    entry.action,
                    actor=(entry.kind, entry.actor_id),
                    subject=entry.subject or ("route", None),
                    detail=detail,
                )

    async def _write_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._window_s)
            await self.write()


def _subject(scope: Scope) -> tuple[str, UUID] | None:
    """The first thing that the path names, e.g. a conversation."""
    parts: dict[str, Any] = scope.get("path_params", {})
    for name, value in parts.items():
        if name.endswith("_id"):
            with suppress(ValueError):
                return name.removesuffix("_id"), UUID(str(value))
    return None
