"""Reports for a supervisor of the bank: which there are, and one of them as data, CSV or a page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime

from api.authentication import caller
from api.described import ID, TIME, described, text_content
from api.documents import style_policy
from api.problems import Problem, not_found
from api.state import State
from api.validation import StrictRoute
from helios.business_time import BusinessHours
from helios.reports.asked import PERIOD, Asked, WrongPeriod
from helios.reports.catalogue import REPORTS
from helios.reports.making import ROWS_MAX, Made, TooLong, make
from helios.reports.rendering import FORMS, STYLE
from helios.tokens import Identity

router = APIRouter(prefix="/v1/reports", tags=["Reports"], route_class=StrictRoute)

Reader = Annotated[Identity, Depends(caller("reports.read"))]
Period = Annotated[
    str | None,
    # What is none is refused by `Asked.of`, in words of ours; the document has the pattern all the same.
    Query(
        json_schema_extra={"pattern": f"^{PERIOD}$"},
        description="`2026`, `2026-Q3` or `2026-09`, in the tenant's time zone",
        examples=["2026-Q3"],
    ),
]
Since = Annotated[AwareDatetime | None, Query(alias="from", description="RFC 3339, inclusive")]
Until = Annotated[AwareDatetime | None, Query(alias="to", description="RFC 3339, exclusive; at most a year later")]
Format = Literal["json", "csv", "html"]
AsOf = Annotated[AwareDatetime | None, Query(description="What was known at this moment (default: now)")]

MADE = {
    "name": "complaints",
    "title": REPORTS["complaints"].title,
    "basis": REPORTS["complaints"].basis,
    "from": TIME,
    "to": TIME,
    "as_of": TIME,
    "settled": True,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "rows": [{"ticket_id": ID, "kind": "complaint", "received_at": TIME, "status": "open", "overdue": False}],
}
FOR_PEOPLE = {
    **text_content("text/csv", "ticket_id,kind,received_at,status,overdue\r\n"),
    **text_content("text/html", "<!doctype html>"),
}
PAGES = style_policy(STYLE)


@router.get(
    "", **described({"items": [REPORTS["complaints"].as_json()], "next_cursor": None}, "forbidden", about="The reports")
)
async def list_reports(_: Reader) -> Response:
    """Every report there is: what it is for, which rule asks for it, and what its columns mean."""
    return JSONResponse({"items": [report.as_json() for report in REPORTS.values()], "next_cursor": None})


@router.get(
    "/{report}",
    **described(
        MADE,
        *("forbidden", "not_found", "report_too_long"),
        forms=FOR_PEOPLE,
        about="The report",
    ),
)
async def read_report(
    report: str,
    services: State,
    reader: Reader,
    period: Period = None,
    since: Since = None,
    until: Until = None,
    as_of: AsOf = None,
    format: Format = "json",
) -> Response:
    """One report for a period, as the records stood at `as_of`: asked for again with the same `as_of`, it has the same
    rows and the same `sha256`. Without a period it is the current month. That it was made is an audit event."""
    if report not in REPORTS:
        not_found()
    tenant = await services.tenants.get(reader.tenant_id)
    if tenant is None:
        not_found()
    zone = BusinessHours.of(tenant.settings.hours).zone
    try:
        asked = Asked.of(zone, now=datetime.now(UTC), period=period, since=since, until=until, as_of=as_of)
    except WrongPeriod as wrong:
        raise Problem("invalid_request", errors=[{"pointer": f"query:{wrong.field}", "detail": str(wrong)}]) from None
    keys = await services.keyring.tenant(reader.tenant_id)
    try:
        async with services.database.tenant(reader.tenant_id) as connection:
            made = await make(connection, keys, REPORTS[report], asked, tenant=tenant.name, actor=("user", reader.id))
    except TooLong:
        raise Problem("report_too_long", f"The period has more than {ROWS_MAX} rows.") from None
    return written(made, format)


def written(made: Made, form: Format) -> Response:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    if form == "csv":
        filename = f"{made.report.name}-{made.asked.since:%Y-%m-%d}.csv"
        headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    if form == "html":
        headers |= PAGES
    return Response(FORMS[form].write(made), media_type=FORMS[form].media_type, headers=headers)
