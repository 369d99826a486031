"""Suites in versions: a new document under a known name is its next version; the newest one counts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import rfc8785
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios import audit
from helios.audit import ActorType
from helios.crypto import Keys
from helios.evaluations.cleaning import Cleaned, as_written, open_suite
from helios.refusals import Refused
from schema.tables import EvaluationSuite

Actor = tuple[ActorType, UUID | None]
NAMES_MOST = 100

KNOWN = text("SELECT * FROM evaluation_suites WHERE tenant_id = :tenant_id AND id = :id")
CURRENT = text(
    "SELECT * FROM evaluation_suites WHERE tenant_id = :tenant_id AND name = :name AND status = 'current' FOR UPDATE"
)
NAMES = text("SELECT count(DISTINCT name) FROM evaluation_suites WHERE tenant_id = :tenant_id AND status = 'current'")
NEXT = text("SELECT coalesce(max(version), 0) + 1 FROM evaluation_suites WHERE tenant_id = :tenant_id AND name = :name")
SUPERSEDE = text(
    "UPDATE evaluation_suites SET status = 'superseded' "
    "WHERE tenant_id = :tenant_id AND name = :name AND status = 'current'"
)
# Two who hand in the first version of one name in the same moment: the second waits and finds it.
ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended('suites of ' || CAST(:tenant_id AS text), 0))")
REMOVE = text(
    "UPDATE evaluation_suites SET status = 'removed', document_ct = NULL WHERE tenant_id = :tenant_id AND name = :name"
)
REMOVE_ANSWERS = text(
    """
    UPDATE evaluation_results AS result SET detail_ct = NULL FROM evaluations AS run, evaluation_suites AS suite
    WHERE result.tenant_id = :tenant_id AND run.tenant_id = :tenant_id AND suite.tenant_id = :tenant_id
      AND run.id = result.evaluation_id AND suite.id = run.suite_id AND suite.name = :name
    """
)
END_RUNS = text(
    """
    UPDATE evaluations AS run SET status = 'failed', finished_at = now() FROM evaluation_suites AS suite
    WHERE run.tenant_id = :tenant_id AND suite.tenant_id = :tenant_id AND suite.id = run.suite_id
      AND suite.name = :name AND run.status = 'running'
    """
)


async def find_suite(connection: AsyncConnection, tenant_id: UUID, suite_id: UUID) -> Any:
    """The row of a version. Raises `Refused` of code `not_found`."""
    row = (await connection.execute(KNOWN, {"tenant_id": tenant_id, "id": suite_id})).one_or_none()
    if row is None:
        raise Refused("not_found")
    return row


async def current_suite(connection: AsyncConnection, tenant_id: UUID, name: str) -> Any | None:
    return (await connection.execute(CURRENT, {"tenant_id": tenant_id, "name": name})).one_or_none()


async def add_suite(
    connection: AsyncConnection, keys: Keys, tenant_id: UUID, suite_id: UUID, cleaned: Cleaned, actor: Actor
) -> Any:
    """Stores the next version and returns its row; the current one's where that says the same."""
    suite = cleaned.suite
    await connection.execute(ONE_AT_A_TIME, {"tenant_id": str(tenant_id)})
    known = (await connection.execute(KNOWN, {"tenant_id": tenant_id, "id": suite_id})).one_or_none()
    before = await current_suite(connection, tenant_id, suite.name)
    digest = digest_of(keys, cleaned)
    if known is not None or (before is not None and before.digest == digest):
        return known or before
    where = {"tenant_id": tenant_id, "name": suite.name}
    if before is None and (await connection.execute(NAMES, {"tenant_id": tenant_id})).scalar_one() >= NAMES_MOST:
        raise Refused("version_conflict", f"There are {NAMES_MOST} suites: take one away first.")
    version = int((await connection.execute(NEXT, where)).scalar_one())
    await connection.execute(SUPERSEDE, where)
    values = {
        "tenant_id": tenant_id, "id": suite_id, "name": suite.name, "version": version, "digest": digest,
        "document_ct": cleaned.seal(keys, suite_id), "cases": len(suite.cases), "guards": list(suite.guards),
        "masked": list(cleaned.kinds), "created_by": actor[1],
    }  # fmt: skip
    await connection.execute(insert(EvaluationSuite).values(**values))
    detail = {"version": version, "cases": len(suite.cases), "guards": list(suite.guards)}
    await _record(connection, tenant_id, "added", suite_id, actor, detail)
    return await find_suite(connection, tenant_id, suite_id)


async def remove_suite(connection: AsyncConnection, tenant_id: UUID, suite_id: UUID, actor: Actor) -> None:
    """All versions of its name: it guards nothing any more, and its words and answers are gone. Figures stay."""
    row = await find_suite(connection, tenant_id, suite_id)
    if row.status == "removed":
        return
    await connection.execute(ONE_AT_A_TIME, {"tenant_id": str(tenant_id)})
    where = {"tenant_id": tenant_id, "name": row.name}
    for statement in (END_RUNS, REMOVE_ANSWERS, REMOVE):
        await connection.execute(statement, where)
    await _record(connection, tenant_id, "removed", suite_id, actor, {"version": row.version, "guards": row.guards})


def opened(keys: Keys, row: Any) -> Cleaned:
    """The suite of a row that has not been removed."""
    return open_suite(keys, row.document_ct, row.id)


def digest_of(keys: Keys, cleaned: Cleaned) -> str:
    """Under the tenant's key: it tells nothing about what somebody might have written."""
    masked: list[Any] = [[*place, *kinds] for place, kinds in sorted(cleaned.secrets.items())]
    said = rfc8785.dumps([as_written(cleaned.suite), masked])
    return keys.fingerprint(said.decode(), "evaluation_suites").hex()


async def _record(
    connection: AsyncConnection, tenant_id: UUID, done: str, suite_id: UUID, actor: Actor, detail: dict[str, Any]
) -> None:
    subject = ("evaluation_suite", suite_id)
    await audit.record(connection, tenant_id, f"evaluation_suite.{done}", actor=actor, subject=subject, detail=detail)
