"""Make a report for a supervisor of the bank. Needs the database (a running stack, or HELIOS_POSTGRES_DSN).

Without a name it lists the reports. With one it prints the report for a month, quarter or year; `--as-of` shows what
the records said at a past moment, so that a report that was handed over can be made again, with the same SHA-256.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text

from helios.business_time import BusinessHours
from helios.commands.reach import reach
from helios.database import Database
from helios.embedded.errors import StackError
from helios.kms import root_of
from helios.reports.asked import Asked, WrongPeriod
from helios.reports.catalogue import REPORTS
from helios.reports.making import ROWS_MAX, Made, TooLong, make
from helios.reports.rendering import FORMS
from helios.settings import Settings
from helios.tenant_keys import read_keys
from helios.tenant_settings import TenantSettings

TENANT = text(
    """
    SELECT id, slug, name, settings FROM tenants
    WHERE deleted_at IS NULL AND (CAST(:slug AS text) IS NULL OR slug = :slug) ORDER BY slug
    """
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", choices=list(REPORTS), metavar="NAME", help=", ".join(REPORTS))
    parser.add_argument("--tenant", metavar="NAME", help="the tenant's short name (default: the only one)")
    parser.add_argument("--period", metavar="PERIOD", help="2026, 2026-Q3 or 2026-09 (default: the current month)")
    parser.add_argument("--as-of", metavar="TIME", help="what was known then, e.g. 2026-10-01T00:00:00Z (default: now)")
    parser.add_argument("--format", choices=list(FORMS), default="json", help="how it is written (default: json)")
    parser.add_argument("--json", action="store_true", help="the list of reports as JSON")
    parser.add_argument("--out", metavar="FILE", type=Path, help="where to write it (default: print it)")


def run(args: argparse.Namespace) -> int:
    if args.name is None:
        _list(as_json=args.json)
        return 0
    if args.out is not None:
        _require_writable(args.out)
    made = asyncio.run(_make(reach(), args))
    written = FORMS[args.format].write(made)
    if args.out is None:
        print(written, end="")
        return 0
    try:
        args.out.write_text(written, encoding="utf-8", newline="")
    except OSError as error:
        raise StackError(f"{args.out} was not written: {error.strerror}.") from None
    print(f"{args.out}: {made.report.title}, {len(made.rows)} rows, SHA-256 {made.digest}")
    return 0


def _require_writable(out: Path) -> None:
    """Before the report is made: that one was made is in the audit log. Raises `StackError`."""
    if out.is_dir() or not out.parent.is_dir():
        raise StackError(f"{out} cannot be written: {'it is a folder' if out.is_dir() else 'its folder is not there'}.")
    if not os.access(out if out.exists() else out.parent, os.W_OK):
        raise StackError(f"{out} cannot be written: the rights are missing.")


def _list(*, as_json: bool) -> None:
    if as_json:
        print(json.dumps([report.as_json() for report in REPORTS.values()], indent=2))
        return
    for report in REPORTS.values():
        print(f"{report.name:16} {report.title} ({report.basis}), each {report.every}")


async def _make(config: Settings, args: argparse.Namespace) -> Made:
    database = Database(config.postgres_dsn.get_secret_value(), pool_size=1, pooled=config.postgres_pooled)
    try:
        tenant = await _tenant(database, args.tenant)
        asked = _asked(tenant.settings, args.period, args.as_of)
        async with database.tenant(tenant.id) as connection:
            keys = await read_keys(connection, root_of(config), tenant.id)
            return await make(connection, keys, REPORTS[args.name], asked, tenant=tenant.name, actor=("ops", None))
    except TooLong:
        raise StackError(f"The period has more than {ROWS_MAX} rows: ask for a shorter one.") from None
    finally:
        await database.close()


async def _tenant(database: Database, slug: str | None) -> Any:
    async with database.platform() as connection:
        found = (await connection.execute(TENANT, {"slug": slug})).all()
    if not found:
        raise StackError(f"There is no tenant with the short name {slug}." if slug else "There is no tenant yet.")
    if len(found) > 1:
        names = ", ".join(row.slug for row in found)
        raise StackError(f"There are several tenants ({names}): name one with --tenant.")
    return found[0]


def _asked(settings: dict[str, Any], period: str | None, as_of: str | None) -> Asked:
    zone = BusinessHours.of(TenantSettings.of(settings).hours).zone
    try:
        moment = datetime.fromisoformat(as_of) if as_of is not None else None
    except ValueError:
        raise StackError(f"--as-of {as_of} is no time: write 2026-10-01T00:00:00Z.") from None
    if moment is not None and moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return Asked.of(zone, now=datetime.now(UTC), period=period, as_of=moment)
    except WrongPeriod as wrong:
        raise StackError(f"--{wrong.field.replace('_', '-')} {wrong}.") from None
