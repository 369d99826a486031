"""What every refusal must look like, and the proof that nothing was stored."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg
import httpx

from api.problems import CODES, MEDIA_TYPE
from schema.tables import OF_THE_PLATFORM, SQLModel

CHANGES = "action NOT LIKE 'access.%'"
"""Of the audit log: what is no record of who asked for what."""
SEALERS = frozenset({"audit_anchored", "audit_blocks", "audit_checkpoints", "audit_keys", "audit_leaves"})
"""Written behind the events, by nobody's request."""
FIELDS = {"type", "title", "status", "detail", "code", "request_id"}


def assert_problem(answer: httpx.Response, *statuses: int, code: str | None = None, why: object = "") -> dict[str, Any]:
    """A 4xx problem with a published code, the status of that code, and the request's id."""
    seen = (why, answer.status_code, answer.text[:300])
    assert 400 <= answer.status_code < 500, seen
    if answer.request.method == "HEAD":
        return {}
    assert answer.headers["content-type"] == MEDIA_TYPE, seen
    body: dict[str, Any] = answer.json()
    assert body.keys() >= FIELDS, seen
    assert body["code"] in CODES, seen
    assert body["status"] == answer.status_code == CODES[body["code"]].status, seen
    assert body["request_id"] == answer.headers["x-request-id"], seen
    assert answer.headers["cache-control"] == "no-store", seen
    if statuses:
        assert answer.status_code in statuses, seen
    if code is not None:
        assert body["code"] == code, seen
    for error in body.get("errors", ()):
        assert error.keys() == {"pointer", "detail"}, seen
    return body


class Rows:
    """Counts the rows of every table, of all tenants, but those that are written beside all requests."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def count(self) -> dict[str, int]:
        found = await self._connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = sorted({row[0] for row in found} - SEALERS)
        counted = " UNION ALL ".join(
            f"SELECT '{t}', count(*) FROM \"{t}\"" + (f" WHERE {CHANGES}" if t == "audits" else "") for t in tables
        )
        return {str(name): int(count) for name, count in await self._connection.fetch(counted)}


async def digests(owner: asyncpg.Connection, tenant_id: UUID) -> dict[str, str | None]:
    """One of each table's rows of this tenant, without the log of its own people's requests."""
    found = {}
    for table in set(SQLModel.metadata.tables) - OF_THE_PLATFORM - SEALERS:
        key = "id" if table == "tenants" else "tenant_id"
        found[table] = await owner.fetchval(
            f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t WHERE {key} = $1 "
            + (f"AND {CHANGES}" if table == "audits" else ""),
            tenant_id,
        )
    return found
