"""The audit log, as the auditor reads it: events with ids, enums and counts, never a person's words."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime
from sqlalchemy import text

from api import examples
from api.authentication import caller
from api.described import described
from api.pagination import Cursor, Limit, page, position, read_cursor
from api.state import State
from api.validation import StrictRoute
from helios.times import moment
from helios.tokens import Identity

router = APIRouter(prefix="/v1/audit", tags=["Audit"], route_class=StrictRoute)

Name = Annotated[
    str | None, Query(max_length=64, pattern=r"^[a-z_]+(\.[a-z_]+)?$", description="`noun.verb`, or a noun")
]
Kind = Annotated[str | None, Query(max_length=64, pattern=r"^[a-z_]+$")]
Since = Annotated[AwareDatetime | None, Query(alias="from", description="RFC 3339, inclusive")]
Until = Annotated[AwareDatetime | None, Query(alias="to", description="RFC 3339, exclusive")]

LIST = text(
    """
    SELECT id, action, actor_type, actor_id, subject_type, subject_id, detail, occurred_at FROM audits
    WHERE tenant_id = :tenant_id
      AND (CAST(:action AS text) IS NULL OR action = :action OR starts_with(action, :action || '.'))
      AND (CAST(:actor_id AS uuid) IS NULL OR actor_id = :actor_id)
      AND (CAST(:subject_type AS text) IS NULL OR subject_type = :subject_type)
      AND (CAST(:subject_id AS uuid) IS NULL OR subject_id = :subject_id)
      AND (CAST(:since AS timestamptz) IS NULL OR occurred_at >= :since)
      AND (CAST(:until AS timestamptz) IS NULL OR occurred_at < :until)
      AND (CAST(:at AS timestamptz) IS NULL OR (occurred_at, id) < (:at, CAST(:after AS uuid)))
    ORDER BY occurred_at DESC, id DESC LIMIT :most
    """
)


@router.get("/events", **described(examples.page(examples.AUDIT_EVENT), "forbidden"))
async def list_audit_events(
    services: State,
    auditor: Annotated[Identity, Depends(caller("audit.read"))],
    action: Name = None,
    actor_id: UUID | None = None,
    subject_type: Kind = None,
    subject_id: UUID | None = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The tenant's audit events, newest first. `action=access` are the decisions about who got in and who did not."""
    where = {"tenant_id": auditor.tenant_id, "action": action, "actor_id": actor_id, "most": limit + 1}
    about = {"subject_type": subject_type, "subject_id": subject_id, "since": since, "until": until}
    async with services.database.tenant(auditor.tenant_id) as connection:
        rows = (await connection.execute(LIST, {**where, **about, **position(read_cursor(cursor))})).all()
    return JSONResponse(page(rows, limit, _shown, at="occurred_at"))


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "action": row.action,
        "actor": {"type": row.actor_type, "id": str(row.actor_id) if row.actor_id else None},
        "subject": {"type": row.subject_type, "id": str(row.subject_id) if row.subject_id else None},
        "detail": row.detail,
        "occurred_at": moment(row.occurred_at),
    }
