"""Reports that nobody has to ask for: each period's once, when it has ended, kept as they were made.

What was received in a period's last minutes is registered a little later, so a report shows what was known a day after
the end of its period. Whoever asks for the same period with the same `as_of` gets the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios import audit
from helios.business_time import BusinessHours
from helios.crypto import Keys
from helios.database import Database
from helios.ids import new_id
from helios.reports.asked import SETTLED_AFTER, Asked, bounds
from helios.reports.catalogue import REPORTS, Report
from helios.reports.making import Made, TooLong, make
from helios.tenant_settings import TenantSettings

KNOWN_AFTER = timedelta(days=1)
CONTENT = "scheduled_reports.content_ct"

TENANT = text(
    "SELECT id, name, settings, created_at, now() AS now FROM tenants WHERE id = :tenant_id AND deleted_at IS NULL"
)
TAKEN = text("SELECT name, period FROM scheduled_reports WHERE tenant_id = :tenant_id")
KEEP = text(
    """
    INSERT INTO scheduled_reports (tenant_id, id, name, period, since, until, as_of, rows, sha256, problem, content_ct,
                                   record_class, retain_until)
    VALUES (:tenant_id, :id, :name, :period, :since, :until, :as_of, :rows, :sha256, :problem, :content_ct,
            :record_class, CAST(:until AS timestamptz) + make_interval(years => :years))
    """
)


async def make_next(database: Database, keys: Keys) -> bool:
    """Makes one that is due and not there yet. Whether there was one."""
    async with database.tenant(keys.tenant_id) as connection:
        where = {"tenant_id": keys.tenant_id}
        tenant = (await connection.execute(TENANT, where)).one_or_none()
        if tenant is None:
            return False
        settings = TenantSettings.of(tenant.settings)
        taken = {(row.name, row.period) for row in await connection.execute(TAKEN, where)}
        for report, period in due(settings, tenant.created_at, tenant.now):
            if (report.name, period) not in taken:
                await keep(connection, keys, tenant, report, period)
                return True
    return False


def due(settings: TenantSettings, created_at: datetime, now: datetime) -> Iterator[tuple[Report, str]]:
    """Every report of the last year whose period the tenant has seen, oldest first of each."""
    zone = BusinessHours.of(settings.hours).zone
    for report in REPORTS.values():
        every = getattr(settings.reports, report.name)
        if every != "never":
            for period in ended(every, zone, now):
                if bounds(period, zone)[1] > created_at:
                    yield report, period


def ended(every: Literal["month", "quarter"], zone: ZoneInfo, now: datetime) -> list[str]:
    """The last year's periods, in the bank's time zone, of which all is known that a report shows."""
    local = (now - SETTLED_AFTER - KNOWN_AFTER).astimezone(zone)
    months = {"month": 1, "quarter": 3}[every]
    current = (12 * local.year + local.month - 1) // months
    return [_named(number, 12 // months) for number in range(current - 12 // months, current)]


def _named(number: int, a_year: int) -> str:
    year, part = divmod(number, a_year)
    return f"{year}-{part + 1:02}" if a_year == 12 else f"{year}-Q{part + 1}"


async def keep(connection: AsyncConnection, keys: Keys, tenant: Any, report: Report, period: str) -> UUID:
    """Makes one and keeps it. `tenant` is its row. One that is too long is a row that says so, and an audit event."""
    settings, report_id = TenantSettings.of(tenant.settings), new_id()
    zone = BusinessHours.of(settings.hours).zone
    asked = Asked.of(zone, now=tenant.now, period=period, as_of=bounds(period, zone)[1] + KNOWN_AFTER)
    row = {
        "tenant_id": tenant.id, "id": report_id, "name": report.name, "period": period,
        "since": asked.since, "until": asked.until, "as_of": asked.as_of,
        "rows": None, "sha256": None, "problem": None, "content_ct": None,
        "record_class": report.record_class, "years": getattr(settings.retention, report.record_class),
    }  # fmt: skip
    try:
        made = await make(
            connection, keys, report, asked, tenant=tenant.name, actor=("system", None), kept_as=report_id
        )
    except TooLong:
        row["problem"] = "report_too_long"
        await audit.record(connection, tenant.id, "report.failed", actor=("system", None),
                           subject=("report", report_id), detail={"name": report.name, "period": period})  # fmt: skip
    else:
        sealed = keys.seal_json(_content(made), CONTENT, report_id)
        row |= {"rows": len(made.rows), "sha256": made.digest, "content_ct": sealed}
    await connection.execute(KEEP, row)
    return report_id


def _content(made: Made) -> dict[str, Any]:
    """With what its columns meant then: a later release may tell them otherwise."""
    report = {name: getattr(made.report, name) for name in ("title", "basis", "about")}
    about = {**report, "columns": dict(made.report.columns)}
    return {"tenant": made.tenant, "zone": made.asked.zone.key, "report": about, "rows": made.rows}


def opened(keys: Keys, row: Any) -> Made:
    """One that was kept, from its row. Raises `CryptoError`."""
    content = keys.open_json(row.content_ct, CONTENT, row.id)
    report = replace(REPORTS[row.name], **content["report"])
    zone = ZoneInfo(content.get("zone", "UTC"))  # releases before this one did not keep it
    asked = Asked(row.since, row.until, row.as_of, True, zone)
    return Made(report, content["tenant"], asked, content["rows"], row.sha256)
