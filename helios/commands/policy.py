"""Hold a version of a tenant's policy against past turns, and tell which would have been decided otherwise.

Needs a running stack: a worker looks at the turns. Nothing changes for customers. Exits with 0, or with 1 where there
is no such tenant or version.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import Any
from uuid import UUID

from sqlalchemy import text

from helios.commands.reach import reach
from helios.database import Database
from helios.ids import new_id
from helios.keyring import Keyring, root_key
from helios.refusals import Refused
from helios.rules.replaying import open_replay, start_replay
from helios.settings import Settings
from helios.temporal import connect
from schema.policy_replay import ReplayRef, policy_replay_workflow_id

FIND = text("SELECT id FROM tenants WHERE slug = :slug AND deleted_at IS NULL")
CHANGES = text(
    "SELECT conversation_id, turn, situation, before, after, reason FROM policy_replay_changes "
    "WHERE tenant_id = :tenant_id AND replay_id = :id ORDER BY conversation_id DESC, turn DESC"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    replay = actions.add_parser("replay", help="look at the newest turns again under another version")
    replay.add_argument("--tenant", metavar="NAME", required=True, help="the tenant's short name")
    replay.add_argument("--version", type=int, required=True, help="the version, for example a draft's")
    replay.add_argument("--turns", type=int, default=1_000, help="how many of the newest turns (default: 1000)")
    replay.add_argument("--json", action="store_true", help="print every change as JSON")


def run(args: argparse.Namespace) -> int:
    try:
        found = asyncio.run(_replay(reach(), args.tenant, args.version, args.turns))
    except Refused:
        print("There is no such tenant or version.", file=sys.stderr)
        return 1
    print(json.dumps(found, indent=2, default=str) if args.json else _told(found))
    return 0


async def _replay(config: Settings, slug: str, version: int, turns: int) -> list[dict[str, Any]]:
    dsn, pooled = config.postgres_dsn.get_secret_value(), config.postgres_pooled
    database = Database(dsn, pool_size=2, pooled=pooled)
    try:
        ref = ReplayRef(await _tenant(database, slug), new_id())
        async with database.tenant(ref.tenant_id) as connection:
            await open_replay(connection, ref, version, turns, ("ops", None))
        client = await connect(config, Keyring(root_key(config.root_key.get_secret_value()), database))
        await start_replay(client, config, ref)
        await client.get_workflow_handle(policy_replay_workflow_id(ref)).result()
        async with database.tenant(ref.tenant_id) as connection:
            rows = await connection.execute(CHANGES, {"tenant_id": ref.tenant_id, "id": ref.replay_id})
            return [dict(row._mapping) for row in rows]
    finally:
        await database.close()


async def _tenant(database: Database, slug: str) -> UUID:
    async with database.platform() as connection:
        found = (await connection.execute(FIND, {"slug": slug})).scalar_one_or_none()
    if found is None:
        raise Refused("not_found")
    return UUID(str(found))


def _told(changes: list[dict[str, Any]]) -> str:
    lines = [f"{len(changes)} turns would have been decided otherwise."]
    lines += [
        f"  {each['conversation_id']} turn {each['turn']}: {each['reason']}, {each['before']} -> {each['after']}"
        for each in changes
    ]
    return "\n".join(lines)
