"""What a suite guards is published only after it has passed over exactly what would then be in force.

Whoever publishes has not written the draft, so the way round it, `force` with a `note`, is a second person's already.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios import audit
from helios.evaluations.tested import Draft, digest_of, in_force
from helios.refusals import Refused

# The lock: of two publications in one moment the second sees what the first has put into force.
GUARDING = text(
    "SELECT id, name FROM evaluation_suites WHERE tenant_id = :tenant_id AND status = 'current' "
    "AND :guarded = ANY(guards) ORDER BY name FOR UPDATE"
)
NEWEST = text(
    """
    SELECT DISTINCT ON (suite_id) suite_id, passed FROM evaluations
    WHERE tenant_id = :tenant_id AND suite_id = ANY(:suites) AND draft_digest = :digest AND status = 'done'
    ORDER BY suite_id, created_at DESC, id DESC
    """
)
SHOWN_MOST = 5


class NotEvaluated(Refused):
    """`guarded` and `suites`: what was not published, and which suites have not passed, for the audit log."""

    def __init__(self, guarded: str, suites: Sequence[Any], detail: str) -> None:
        super().__init__("evaluation_required", detail)
        self.guarded = guarded
        self.suites = [suite.id for suite in suites]

    async def record(self, connection: AsyncConnection, tenant_id: UUID, actor: UUID) -> None:
        """In a transaction of its own: the one that was refused leaves nothing."""
        await _record(connection, tenant_id, "publish_refused", self.guarded, self.suites, actor)


async def require_passed(
    connection: AsyncConnection,
    tenant_id: UUID,
    guarded: str,
    draft: Draft,
    publisher: UUID,
    note: str | None,
    *,
    force: bool,
) -> None:
    """Raises `NotEvaluated` where a suite that guards this has not passed, unless `force` and `note` are given, which
    the audit log says. Nothing is asked where customers would be told the same as before.
    """
    suites = (await connection.execute(GUARDING, {"tenant_id": tenant_id, "guarded": guarded})).all()
    if not suites:
        return
    published = await in_force(connection, tenant_id)
    before, after = [await digest_of(connection, tenant_id, each) for each in (published, published.with_draft(draft))]
    if before == after:
        return
    where = {"tenant_id": tenant_id, "suites": [suite.id for suite in suites], "digest": after}
    passed = {row.suite_id: row.passed for row in await connection.execute(NEWEST, where)}
    missing = [suite for suite in suites if not passed.get(suite.id)]
    if not missing:
        return
    if not force:
        raise NotEvaluated(guarded, missing, _told(missing, passed))
    if not note:
        raise NotEvaluated(guarded, missing, "To publish it all the same, say why in `note`.")
    await _record(connection, tenant_id, "overridden", guarded, [suite.id for suite in missing], publisher)


def _told(missing: Sequence[Any], passed: dict[UUID, bool]) -> str:
    named = [f"{suite.name} {'fails' if suite.id in passed else 'was not run'}" for suite in missing[:SHOWN_MOST]]
    more = f" and {len(missing) - SHOWN_MOST} more" if len(missing) > SHOWN_MOST else ""
    return f"Over what would then be in force: {', '.join(named)}{more}."


async def _record(
    connection: AsyncConnection, tenant_id: UUID, done: str, guarded: str, suites: Sequence[UUID], actor: UUID
) -> None:
    detail = {"guarded": guarded, "suites": [str(each) for each in suites]}
    await audit.record(
        connection, tenant_id, f"evaluation.{done}", actor=("user", actor), subject=("tenant", tenant_id), detail=detail
    )
