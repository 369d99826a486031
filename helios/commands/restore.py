"""Restores a backup into HELIOS_HOME, where no stack may run, and does again what was done since: whoever was erased
after the backup is erased again, before anybody is served. Needs the anchor, which is outside of backups and holds the
list of erasures: the bucket of HELIOS_AUDIT_ANCHOR_S3_URL, or HELIOS_AUDIT_ANCHOR_DIR (HELIOS_HOME/audit-anchor), which
you put back first. Where it is not there, or was changed, nothing is served.

`--settle` does only the second half, on real servers that were restored by other means: with HELIOS_POSTGRES_DSN,
HELIOS_TEMPORAL_ADDRESS and HELIOS_ROOT_KEY set, workers up and the API down. See docs/operations.md.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from helios.backup.afterwards import settle
from helios.backup.anchored import anchor_at, anchors_of
from helios.backup.restoring import restore
from helios.commands.reach import reach
from helios.database import Database
from helios.embedded.errors import StackError
from helios.embedded.progress import progress
from helios.embedded.supervisor import run as run_until_told
from helios.keyring import Keyring
from helios.kms import root_of
from helios.settings import Settings, settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("backup", metavar="FOLDER", type=Path, nargs="?", help="the folder with the data")
    parser.add_argument("--keys", metavar="FOLDER", type=Path, help="the folder with the keys")
    parser.add_argument("--replace", action="store_true", help="throw away what HELIOS_HOME holds")
    parser.add_argument(
        "--without-anchor", action="store_true", help="the anchor is lost: erase again only whom its rest names"
    )
    parser.add_argument(
        "--old-anchor",
        metavar="PLACE",
        help="the backup is older than a signing key that was revoked: the anchor of until now (a folder or a bucket's "
        "address); the settings name an empty one, in which the log goes on",
    )
    parser.add_argument("--settle", action="store_true", help="the servers were restored by other means")


def run(args: argparse.Namespace) -> int:
    if args.settle:
        print(_told(asyncio.run(_settle(reach(), args.old_anchor, without_anchor=args.without_anchor))))
        return 0
    if args.backup is None or args.keys is None:
        raise StackError("Name the backup's folder and, with --keys, the folder with its keys.")
    config = settings()

    async def body() -> None:
        with progress() as report:
            how = {"replace": args.replace, "without_anchor": args.without_anchor, "old_anchor": args.old_anchor}
            erased = await restore(config, args.backup, args.keys, report, **how)
        print(_told(erased))

    return run_until_told(body, config)


async def _settle(config: Settings, old_anchor: str | None, *, without_anchor: bool) -> int:
    database = Database(config.postgres_dsn.get_secret_value(), pool_size=2, pooled=config.postgres_pooled)
    try:
        keyring = Keyring(root_of(config), database)
        old = anchor_at(config, old_anchor) if old_anchor else None
        return await settle(config, database, keyring, anchors_of(config), without_anchor=without_anchor, old=old)
    finally:
        await database.close()


def _told(erased: int) -> str:
    return f"Restored. Customers erased again: {erased}. Everybody signs in anew."
