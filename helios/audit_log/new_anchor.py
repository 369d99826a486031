"""A log that goes on in another anchor: the one of until now was moved without its content, or is lost for good.

The log itself says so, by an event that names how many checkpoints are left behind: what was anchored before it is not
looked for any more. What a restore needs and the database still knows is put into the new one: the keys' notes, and
who was erased.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text

from helios import audit
from helios.audit_log.anchors import Anchor
from helios.audit_log.keys import signing_keys
from helios.audit_log.reading import Verdict
from helios.audit_log.sealer import anchor_keys
from helios.audit_log.verifier import Report, verify_log
from helios.crypto import RootKey
from helios.database import Database
from helios.privacy import journal
from helios.privacy.journal import Asked, Erasure

ERASED = text(
    """
    SELECT customer.id, customer.erased_at, request.id AS request_id, request.received_at, request.created_at,
           request.verified_at, request.verified_how
    FROM customers AS customer LEFT JOIN LATERAL (
        SELECT * FROM privacy_requests AS request
        WHERE request.tenant_id = customer.tenant_id AND request.customer_id = customer.id
          AND request.kind = 'erasure' AND request.status = 'done' AND NOT jsonb_exists(request.result, 'received_at')
        ORDER BY request.created_at DESC LIMIT 1
    ) AS request ON true
    WHERE customer.tenant_id = :tenant_id AND customer.erased_at IS NOT NULL ORDER BY customer.erased_at, customer.id
    """
)


class NotLost(Exception):
    """Nothing is missing in the anchor, or more is wrong than that. `verdict` is the log's."""

    def __init__(self, report: Report) -> None:
        super().__init__(report.detail if report.verdict else "nothing is missing in the anchor")
        self.verdict = report.verdict


async def begin(database: Database, root: RootKey, anchor: Anchor, tenant_id: UUID) -> Report:
    """What was missing. Raises `NotLost`, or `OSError` from the anchor."""
    report = await verify_log(database, root, anchor, tenant_id)
    if report.verdict is not Verdict.ANCHOR_INCOMPLETE:
        raise NotLost(report)
    async with database.tenant(tenant_id) as connection:
        await anchor_keys(anchor, tenant_id, (await signing_keys(connection, root, tenant_id)).notes)
        if not await anchor.notes(tenant_id, "erasures"):
            erased = {row.id: _erasure(row) for row in await connection.execute(ERASED, {"tenant_id": tenant_id})}
            await journal.copy(anchor, connection, root, tenant_id, erased)
        await audit.record(
            connection, tenant_id, "audit_anchor.begun", actor=("ops", None), subject=("tenant", tenant_id),
            detail={"entries": report.size, "checkpoints_missing": report.missing},
        )  # fmt: skip
    return report


def _erasure(row: Any) -> Erasure:
    return Erasure(row.erased_at, None if row.request_id is None else Asked.of(row.request_id, row))
