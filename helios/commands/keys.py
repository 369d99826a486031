"""Rotates keys. `rotate` makes a new key for access tokens: every API process signs with it within seconds, no restart,
and tokens of the key before stay good until they end.

Works on the stack that runs in HELIOS_HOME, or on the servers that HELIOS_POSTGRES_DSN and HELIOS_ROOT_KEY name.
"""

from __future__ import annotations

import argparse
import asyncio
import json

from helios.commands.reach import reach
from helios.database import Database
from helios.keyring import root_key
from helios.settings import Settings
from helios.token_keys import Rotated, rotate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["rotate"])
    parser.add_argument("--revoke-old", action="store_true", help="a key has leaked: end its tokens at once")
    parser.add_argument("--json", action="store_true", help="print the new key's id and times as JSON")


def run(args: argparse.Namespace) -> int:
    done = asyncio.run(_rotate(reach(), revoke_old=args.revoke_old))
    told = {"kid": done.kid, "signs_from": done.signs_from.isoformat(), "older_until": done.older_until.isoformat()}
    if args.json:
        print(json.dumps(told))
    else:
        print(f"  Key {done.kid} signs from {told['signs_from']}; older ones are accepted until {told['older_until']}.")
    return 0


async def _rotate(config: Settings, *, revoke_old: bool) -> Rotated:
    database = Database(config.postgres_dsn.get_secret_value(), pool_size=1, pooled=config.postgres_pooled)
    try:
        return await rotate(database, root_key(config.root_key.get_secret_value()), revoke_old=revoke_old)
    finally:
        await database.close()
