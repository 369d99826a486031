"""Reports that the tenant's schedule made: which there are, and one of them as data, CSV or a page."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text

from api.described import ID, TIME, described
from api.examples import page as listed
from api.pagination import Cursor, Limit, page, position, read_cursor
from api.problems import Problem, not_found
from api.reports import FOR_PEOPLE, MADE, Format, Reader, written
from api.state import State
from api.validation import StrictRoute
from helios import audit
from helios.reports.catalogue import REPORTS
from helios.reports.scheduled import opened
from helios.times import moment

router = APIRouter(prefix="/v1/scheduled-reports", tags=["Reports"], route_class=StrictRoute)

Name = Annotated[str | None, Query(max_length=64, description="The name of one report")]

KEPT = {
    "id": ID,
    "name": "complaints",
    "title": REPORTS["complaints"].title,
    "period": "2026-03",
    "from": TIME,
    "to": TIME,
    "as_of": TIME,
    "rows": 12,
    "sha256": MADE["sha256"],
    "problem": None,
    "class": "complaints",
    "retain_until": TIME,
    "created_at": TIME,
    "destroyed_at": None,
}

ONE = text("SELECT * FROM scheduled_reports WHERE tenant_id = :tenant_id AND id = :id")
LIST = text(
    """
    SELECT id, name, period, since, until, as_of, rows, sha256, problem, record_class, retain_until, created_at,
           destroyed_at
    FROM scheduled_reports WHERE tenant_id = :tenant_id AND (CAST(:name AS text) IS NULL OR name = :name)
      AND (CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, CAST(:after AS uuid)))
    ORDER BY created_at DESC, id DESC LIMIT :most
    """
)


@router.get("", **described(listed(KEPT), "forbidden", "invalid_cursor", about="What was made"))
async def list_scheduled_reports(
    services: State, reader: Reader, report: Name = None, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """What the tenant's schedule made (its setting `reports`), newest first."""
    where = {"tenant_id": reader.tenant_id, "name": report, "most": limit + 1}
    async with services.database.tenant(reader.tenant_id) as connection:
        rows = (await connection.execute(LIST, {**where, **position(read_cursor(cursor))})).all()
    return JSONResponse(page(rows, limit, _shown))


@router.get(
    "/{scheduled_report_id}",
    **described(
        MADE, "forbidden", "not_found", "report_too_long", "report_expired", forms=FOR_PEOPLE, about="The report"
    ),
)
async def read_scheduled_report(
    scheduled_report_id: UUID, services: State, reader: Reader, format: Format = "json"
) -> Response:
    """One of them, as it was made. Each reading is an audit event."""
    keys = await services.keyring.tenant(reader.tenant_id)
    async with services.database.tenant(reader.tenant_id) as connection:
        found = await connection.execute(ONE, {"tenant_id": reader.tenant_id, "id": scheduled_report_id})
        row = found.one_or_none()
        if row is None:
            not_found()
        if row.content_ct is None:
            raise Problem(row.problem or "report_expired")
        await audit.record(
            connection, reader.tenant_id, "report.read", actor=("user", reader.id), subject=("report", row.id),
            detail={"name": row.name, "period": row.period, "format": format},
        )  # fmt: skip
    return written(opened(keys, row), format)


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "name": row.name,
        "title": REPORTS[row.name].title,
        "period": row.period,
        "from": moment(row.since),
        "to": moment(row.until),
        "as_of": moment(row.as_of),
        "rows": row.rows,
        "sha256": row.sha256,
        "problem": row.problem,
        "class": row.record_class,
        "retain_until": moment(row.retain_until),
        "created_at": moment(row.created_at),
        "destroyed_at": moment(row.destroyed_at),
    }
