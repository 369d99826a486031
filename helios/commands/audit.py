"""Verify or export the audit log. Needs the database (a running stack, or HELIOS_POSTGRES_DSN) and the root key.

`verify` reads every event again and holds it against the tree, its signatures and its anchored checkpoints. It exits
with 0 when all is good, else with what is wrong with the first log that is not: 1 an event was changed, added or
removed, 2 entries are missing, 3 a signature is not ours, 4 the log contradicts a checkpoint that was anchored outside
of the database, 5 the log is good, but checkpoints that were anchored are not in the anchor any more. 64: nobody
looked, since the command was used wrongly, or the stack, its key or its anchor could not be reached.

`new-anchor` notes in the log that it goes on in another anchor, once the one of until now is lost for good. Where
more is wrong with a log nothing is done, and it exits as `verify` does.

`export` writes what an examiner needs to verify it alone: events, proofs, checkpoints, keys, and a verifier.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from helios.audit_log.anchors import Anchor, anchor_of
from helios.audit_log.export import NothingSealed, write_export
from helios.audit_log.new_anchor import NotLost, begin
from helios.audit_log.reading import Verdict
from helios.audit_log.s3 import S3Error
from helios.audit_log.verifier import Report, verify_log
from helios.commands.reach import reach
from helios.crypto import RootKey
from helios.database import Database
from helios.embedded.errors import StackError
from helios.kms import root_of
from helios.settings import Settings

PUT_BACK = (
    "Put the anchor back where it was (HELIOS_AUDIT_ANCHOR_DIR or HELIOS_AUDIT_ANCHOR_S3_URL); if it is lost for good, "
    "or was moved on purpose, see docs/audit.md, A lost anchor."
)
TENANTS = text("SELECT id, slug FROM tenants WHERE CAST(:slug AS text) IS NULL OR slug = :slug ORDER BY slug")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    verify = actions.add_parser("verify", help="read the whole log again and say whether it is the one that was sealed")
    verify.add_argument("--tenant", metavar="NAME", help="the short name of one tenant (default: all)")
    verify.add_argument("--json", action="store_true", help="print the reports as JSON")
    moved = actions.add_parser("new-anchor", help="go on where the anchor was lost, or moved without its content")
    moved.add_argument("--tenant", metavar="NAME", help="the short name of one tenant (default: all)")
    export = actions.add_parser("export", help="write an archive that an examiner can verify without us")
    export.add_argument("--tenant", metavar="NAME", required=True, help="the tenant's short name")
    export.add_argument("--out", metavar="FILE", type=Path, required=True, help="the zip archive to write")


def run(args: argparse.Namespace) -> int:
    config = reach()
    if args.action == "export":
        return asyncio.run(_export(config, args.tenant, args.out))
    if args.action == "new-anchor":
        return asyncio.run(_begin(config, args.tenant))
    return asyncio.run(_verify(config, args.tenant, as_json=args.json))


async def _verify(config: Settings, slug: str | None, *, as_json: bool) -> int:
    database, root = _open(config)
    worst = Verdict.GOOD
    reports: list[dict[str, Any]] = []
    try:
        for tenant_id, name in await tenants_named(database, slug):
            report = await _verified(database, root, anchor_of(config), tenant_id)
            worst = worst or report.verdict
            reports.append({"tenant": name, **_as_json(report)})
            if not as_json:
                print(_line(name, report), flush=True)
    except (OSError, SQLAlchemyError) as error:
        raise StackError(
            f"The log was not read to its end: {type(error).__name__}. Does the database answer?"
        ) from None
    finally:
        await database.close()
    if as_json:
        print(json.dumps({"ok": worst is Verdict.GOOD, "reports": reports}, indent=2))
    return int(worst)


async def _begin(config: Settings, slug: str | None) -> int:
    database, root = _open(config)
    worst = Verdict.GOOD
    try:
        for tenant_id, name in await tenants_named(database, slug):
            try:
                left = await begin(database, root, anchor_of(config), tenant_id)
            except NotLost as error:
                worst = worst or error.verdict
                print(f"{name}: nothing was done: {error}.")
            else:
                print(f"{name}: noted. {left.missing} checkpoints are not looked for any more.")
    except OSError as error:
        raise StackError(
            f"Not all was done: {error}. See HELIOS_AUDIT_ANCHOR_DIR and HELIOS_AUDIT_ANCHOR_S3_URL."
        ) from None
    finally:
        await database.close()
    return int(worst)


async def _export(config: Settings, slug: str, out: Path) -> int:
    database, root = _open(config)
    try:
        ((tenant_id, _),) = await tenants_named(database, slug)
        events = await write_export(database, root, tenant_id, out)
    except NothingSealed as error:
        raise StackError(f"There is nothing to export: {error}.") from None
    finally:
        await database.close()
    print(f"{out}: {events} events. To verify: unpack it and run `python3 verify.py` in it.")
    return 0


async def _verified(database: Database, root: RootKey, anchor: Anchor, tenant_id: UUID) -> Report:
    """An anchor that cannot be read is no anchor that agrees: it ends the command."""
    try:
        return await verify_log(database, root, anchor, tenant_id)
    except S3Error as error:
        raise StackError(f"Nothing was verified: {error}. See HELIOS_AUDIT_ANCHOR_S3_URL.") from None


def _open(config: Settings) -> tuple[Database, RootKey]:
    dsn, pooled = config.postgres_dsn.get_secret_value(), config.postgres_pooled
    database = Database(dsn, pool_size=2, statement_timeout_s=120, pooled=pooled)
    return database, root_of(config)


async def tenants_named(database: Database, slug: str | None) -> Sequence[tuple[UUID, str]]:
    async with database.platform() as connection:
        found = [(row.id, row.slug) for row in await connection.execute(TENANTS, {"slug": slug})]
    if slug is not None and not found:
        raise StackError(f"There is no tenant with the short name {slug}.")
    return found


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "verdict": report.verdict.name.lower(),
        "exit_code": int(report.verdict),
        "entries": report.size,
        "anchored_checkpoints": report.anchored,
        "anchored_checkpoints_missing": report.missing,
        "detail": report.detail,
        "first_bad": None if report.position is None else report.position,
        "event_id": None if report.event_id is None else str(report.event_id),
    }


def _line(name: str, report: Report) -> str:
    if report.verdict is Verdict.GOOD:
        return f"{name}: good. {report.size} entries, {report.anchored} anchored checkpoints."
    where = "" if report.position is None else f" at entry {report.position}"
    event = "" if report.event_id is None else f" (event {report.event_id})"
    line = f"{name}: {report.verdict.name.replace('_', ' ')}{where}{event}: {report.detail}."
    return f"{line} {PUT_BACK}" if report.verdict is Verdict.ANCHOR_INCOMPLETE else line
