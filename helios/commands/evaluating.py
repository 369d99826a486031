"""`helios eval --suite`: a suite against a tenant, on a running stack, told as a table."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text

from helios.commands.reach import reach
from helios.database import Database
from helios.embedded.errors import StackError
from helios.evaluations import suites
from helios.evaluations.cleaning import without_personal_data
from helios.evaluations.runs import open_run, start_evaluation, waiting
from helios.evaluations.shown import ONE_RUN, run_whole
from helios.evaluations.suite import SuiteRefused, read_suite
from helios.evaluations.tested import Draft
from helios.ids import new_id
from helios.keyring import Keyring
from helios.kms import root_of
from helios.models.language import LanguageIdentifier
from helios.refusals import Refused
from helios.rules import versions
from helios.rules.redaction import redaction_of
from helios.rules.versions import REDACTION_RULES
from helios.settings import Settings
from helios.temporal import connect
from schema.evaluations import EvaluationRef

OPS: suites.Actor = ("ops", None)
LOOK_EVERY_S = 0.5
FIND = text("SELECT id FROM tenants WHERE slug = :slug AND deleted_at IS NULL")
DRAFTS = ("policy", "redaction_rules", "knowledge", "published_only")
WANTED = {"must_contain": "says", "must_not_contain": "must not say"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "a suite of a tenant's own", "Needs a running stack. Exits with 1 where the suite does not pass its gate."
    )
    group.add_argument("--suite", metavar="FILE", help="a YAML file, or the name of a suite that the tenant has")
    group.add_argument("--tenant", metavar="NAME", help="the tenant's short name")
    group.add_argument("--policy", type=int, metavar="VERSION", help="as if this version of the policy were published")
    group.add_argument("--redaction-rules", type=int, metavar="VERSION", help="and this one of the redaction rules")
    group.add_argument(
        "--knowledge", action="append", type=article, metavar="SOURCE:VERSION", help="and this one of an article"
    )
    group.add_argument(
        "--published-only", action="store_true", help="nothing but what is published (default: all that waits)"
    )


def article(value: str) -> tuple[UUID, int]:
    source, _, version = value.partition(":")
    try:
        return UUID(source), int(version)
    except ValueError:
        raise argparse.ArgumentTypeError("is an article's id, a colon and a version's number") from None


def misused(args: argparse.Namespace) -> str | None:
    if args.suite is None:
        given = [name for name in (*DRAFTS, "tenant") if getattr(args, name)]
        return f"--{given[0].replace('_', '-')} belongs to --suite" if given else None
    if args.names:
        return "--suite runs a tenant's own suite: no other evaluation beside it"
    if not args.tenant:
        return "--suite needs --tenant NAME"
    if args.published_only and any(getattr(args, name) for name in DRAFTS[:-1]):
        return "--published-only names no draft"
    return None


def run(args: argparse.Namespace) -> int:
    """0: passed · 1: not, or refused."""
    try:
        found = asyncio.run(_evaluate(reach(), args))
    except SuiteRefused as refused:
        print("\n".join(f"{args.suite}: {pointer or '/'}: {why}" for pointer, why in refused.wrong), file=sys.stderr)
        return 1
    except Refused as refusal:
        print(refusal.detail or "There is no such version.", file=sys.stderr)
        return 1
    print(json.dumps(found, indent=2) if args.json else "\n".join(told(found)))
    return 0 if found["status"] == "done" and found["passed"] else 1


async def _evaluate(config: Settings, args: argparse.Namespace) -> dict[str, Any]:
    database = Database(config.postgres_dsn.get_secret_value(), pool_size=2, pooled=config.postgres_pooled)
    keyring = Keyring(root_of(config), database)
    try:
        tenant_id = await _tenant(database, args.tenant)
        suite_id = await _suite(database, keyring, tenant_id, args.suite)
        ref = EvaluationRef(tenant_id, new_id())
        async with database.tenant(tenant_id) as connection:
            draft = (
                await waiting(connection, tenant_id)
                if not any(getattr(args, name) for name in DRAFTS)
                else _draft(args)
            )
            await open_run(connection, ref, suite_id, draft, OPS)
        await start_evaluation(await connect(config, keyring), config, ref)
        row = await _until_it_ends(database, ref)
        async with database.tenant(tenant_id) as connection:
            return await run_whole(connection, await keyring.tenant(tenant_id), row)
    finally:
        await database.close()


def _draft(args: argparse.Namespace) -> Draft:
    return Draft(args.policy, args.redaction_rules, tuple(args.knowledge or ()))


async def _tenant(database: Database, slug: str) -> UUID:
    async with database.platform() as connection:
        found = (await connection.execute(FIND, {"slug": slug})).scalar_one_or_none()
    if found is None:
        raise Refused("not_found", f"There is no tenant {slug!r}.")
    return UUID(str(found))


async def _suite(database: Database, keyring: Keyring, tenant_id: UUID, named: str) -> UUID:
    """A file becomes the suite's next version, unless it says what the current one does."""
    file = Path(named)
    if not file.is_file():
        async with database.tenant(tenant_id) as connection:
            row = await suites.current_suite(connection, tenant_id, named)
        if row is None:
            raise Refused("not_found", f"There is no file {named}, and the tenant has no suite of this name.")
        return UUID(str(row.id))
    try:
        suite = read_suite(file.read_bytes())
    except OSError as error:
        raise StackError(f"{file}: {error.strerror}") from error
    keys = await keyring.tenant(tenant_id)
    async with database.tenant(tenant_id) as connection:
        rules = await versions.published(connection, REDACTION_RULES, tenant_id)
        redaction = await redaction_of(connection, tenant_id, rules.version)
        cleaned = without_personal_data(suite, redaction, LanguageIdentifier.load())
        return UUID(str((await suites.add_suite(connection, keys, tenant_id, new_id(), cleaned, OPS)).id))


async def _until_it_ends(database: Database, ref: EvaluationRef) -> Any:
    told_of = -1
    while True:
        async with database.tenant(ref.tenant_id) as connection:
            where = {"tenant_id": ref.tenant_id, "id": ref.evaluation_id}
            row = (await connection.execute(ONE_RUN, where)).one()
        if row.done != told_of:
            told_of = row.done
            print(f"{row.done} of {row.total} answers", file=sys.stderr, flush=True)
        if row.status != "running":
            return row
        await asyncio.sleep(LOOK_EVERY_S)


def told(found: Mapping[str, Any]) -> Iterator[str]:
    """A line a case, what was expected otherwise below it, and the verdict at the end."""
    drafted = found["draft"] is not None
    width = max((len(each["name"] or "") for each in found["items"]), default=4)
    yield f"{'case':{width}}  published{'  draft' if drafted else ''}"
    for each in found["items"]:
        shown = [f"{_mark(each['published']):9}", *([f"{_mark(each['draft']):5}"] if drafted else [])]
        change = each["change"] if each["change"] in ("better", "worse") else ""
        yield f"{each['name'] or each['number']!s:{width}}  {'  '.join([*shown, change])}".rstrip()
        for side in ("published", "draft"):
            for failing in (each[side] or {}).get("failings") or ():
                yield f"{'':{width}}    {side}: {_otherwise(failing)}"
    yield ""
    yield from _verdict(found)


def _mark(side: Mapping[str, Any] | None) -> str:
    return "" if side is None else "ok" if side["passed"] else "fails"


def _otherwise(failing: Mapping[str, Any]) -> str:
    name = failing["expected"]
    if name in WANTED:
        return f"{WANTED[name]} {failing['wanted']!r}" + (" is expected" if name == "must_contain" else "")
    return f"{name} is {_plain(failing['got'])}, expected {_plain(failing['wanted'])}"


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


def _verdict(found: Mapping[str, Any]) -> Iterator[str]:
    drafted, cases = found["draft"], found["cases"]
    yield f"{found['suite']}, version {found['suite_version']}: run {found['id']}"
    if found["status"] == "outdated":
        yield "What is in force has changed while it ran: run it again."
    elif found["status"] == "failed":
        yield "The run failed before its end: the Temporal UI shows why."
    else:
        yield f"As published {found['published']['passed']} of {cases} pass" + (
            f", with the draft {drafted['passed']}: {found['better']} better, {found['worse']} worse."
            if drafted
            else "."
        )
        because = f" ({', '.join(found['failed_because'])})" if found["failed_because"] else ""
        yield f"{'Passes its gate' if found['passed'] else 'Does not pass its gate'}{because}."
