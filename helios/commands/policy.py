"""Hold a version of a tenant's policy against past turns, and tell which would have been decided otherwise.

Needs a running stack: a worker looks at the turns. Nothing changes for customers. Exits with 0, or with 1 where there
is no such tenant or version, or the replay did not get to its end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from helios.commands.reach import reach
from helios.database import Database
from helios.ids import new_id
from helios.keyring import Keyring
from helios.kms import root_of
from helios.refusals import Refused
from helios.rules.replaying import open_replay, start_replay
from helios.settings import Settings
from helios.temporal import connect
from schema.policy_replay import TURNS_MOST, ReplayRef, policy_replay_workflow_id

FIND = text("SELECT id FROM tenants WHERE slug = :slug AND deleted_at IS NULL")
REPLAY = text("SELECT status, against, done, total FROM policy_replays WHERE tenant_id = :tenant_id AND id = :id")
CHANGES = text(
    "SELECT conversation_id, turn, situation, before, after, reason FROM policy_replay_changes "
    "WHERE tenant_id = :tenant_id AND replay_id = :id ORDER BY conversation_id DESC, turn DESC"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    replay = actions.add_parser("replay", help="look at the newest turns again under another version")
    replay.add_argument("--tenant", metavar="NAME", required=True, help="the tenant's short name")
    replay.add_argument("--version", type=int, required=True, help="the version, for example a draft's")
    replay.add_argument("--turns", type=_turns, default=1_000, help="how many of the newest turns (default: 1000)")
    replay.add_argument("--json", action="store_true", help="print every change as JSON")


def _turns(value: str) -> int:
    turns = int(value)
    if not 1 <= turns <= TURNS_MOST:
        raise argparse.ArgumentTypeError(f"from 1 to {TURNS_MOST:,}")
    return turns


def run(args: argparse.Namespace) -> int:
    try:
        found = asyncio.run(_replay(reach(), args.tenant, args.version, args.turns))
    except Refused as refusal:
        print(refusal.detail or f"{args.tenant} has no version {args.version} of its policy.", file=sys.stderr)
        return 1
    print(json.dumps(found.changes, indent=2, default=str) if args.json else _told(found))
    return 0 if found.status == "done" else 1


@dataclass(frozen=True, slots=True)
class _Found:
    status: str
    against: int
    done: int
    total: int
    changes: list[dict[str, Any]]


async def _replay(config: Settings, slug: str, version: int, turns: int) -> _Found:
    dsn, pooled = config.postgres_dsn.get_secret_value(), config.postgres_pooled
    database = Database(dsn, pool_size=2, pooled=pooled)
    try:
        ref = ReplayRef(await _tenant(database, slug), new_id())
        async with database.tenant(ref.tenant_id) as connection:
            await open_replay(connection, ref, version, turns, ("ops", None))
        client = await connect(config, Keyring(root_of(config), database))
        await start_replay(client, config, ref)
        await client.get_workflow_handle(policy_replay_workflow_id(ref)).result()
        where = {"tenant_id": ref.tenant_id, "id": ref.replay_id}
        async with database.tenant(ref.tenant_id) as connection:
            row = (await connection.execute(REPLAY, where)).one()
            changes = [dict(each._mapping) for each in await connection.execute(CHANGES, where)]
        return _Found(row.status, row.against, row.done, row.total, changes)
    finally:
        await database.close()


async def _tenant(database: Database, slug: str) -> UUID:
    async with database.platform() as connection:
        found = (await connection.execute(FIND, {"slug": slug})).scalar_one_or_none()
    if found is None:
        raise Refused("not_found", f"There is no tenant {slug!r}.")
    return UUID(str(found))


def _told(found: _Found) -> str:
    turns = f"{found.done} of {found.total} turns" if found.status != "done" else f"{found.total} turns"
    lines = [f"{len(found.changes)} of {turns} would have been decided otherwise than under version {found.against}."]
    lines += [f"  {each['conversation_id']} turn {each['turn']}: {_differences(each)}" for each in found.changes]
    if found.status != "done":
        lines.append("The replay failed before its end: the Temporal UI shows why.")
    return "\n".join(lines)


def _differences(change: Mapping[str, Any]) -> str:
    before, after = change["before"], change["after"]
    return ", ".join(f"{name} {_value(before[name])} -> {_value(after[name])}" for name in change["reason"].split(", "))


def _value(value: Any) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else "none" if value is None else str(value)
