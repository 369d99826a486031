"""A backup of a running embedded stack: one moment of the database, Temporal's store a moment later, keys apart.

BACKUP/manifest.json     format, time, the database's transaction epoch, and the SHA-256 of the other files
BACKUP/helios.dump       everything but customers' keys (pg_dump, custom format)
BACKUP/temporal.sqlite   Temporal's store
KEYS/customer_keys.dump  customers' wrapped keys: an older one could bring erased customers back, so keep it briefly
KEYS/…                   the stack's own keys: whoever has both folders can read everything

Valkey holds nothing that is not made again.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from hashlib import file_digest
from pathlib import Path
from typing import Any

import asyncpg

from helios.backup.programs import run
from helios.embedded.errors import StackError
from helios.embedded.home import Home
from helios.root_keys import ROTATING

FORMAT = "helioscs-backup/1"
MANIFEST, DATA, TEMPORAL, CUSTOMER_KEYS = "manifest.json", "helios.dump", "temporal.sqlite", "customer_keys.dump"
# Until the connection ends: the key that is copied is the one that opens what was dumped.
NO_ROTATION = f"SELECT pg_try_advisory_lock_shared(hashtextextended('{ROTATING}', 0))"


async def make(home: Home, admin_dsn: str, backup: Path, keys: Path) -> dict[str, Any]:
    """The manifest. Raises `StackError`; the folders must not be there, and neither may be in the other."""
    if backup.exists() or keys.exists():
        raise StackError(f"{backup if backup.exists() else keys} is there already: name a new folder.")
    one, other = backup.resolve(), keys.resolve()
    if one == other or one in other.parents or other in one.parents:
        raise StackError("Keep the keys apart from the data: name two folders, neither in the other.")
    try:
        for folder in (backup, keys):
            folder.mkdir(mode=0o700, parents=True)
        return await _fill(home, admin_dsn, backup, keys)
    except BaseException as error:
        for folder in (backup, keys):  # half a backup is none
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise StackError(f"No backup was made: {error}.") from None
        raise


async def _fill(home: Home, admin_dsn: str, backup: Path, keys: Path) -> dict[str, Any]:
    connection = await asyncpg.connect(admin_dsn)
    try:
        if not await connection.fetchval(NO_ROTATION):
            raise StackError("The root key is being rotated (`helios keys rotate --root`): try again when it is over.")
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            snapshot = f"--snapshot={await connection.fetchval('SELECT pg_export_snapshot()')}"
            epoch = await connection.fetchval("SELECT (pg_snapshot_xmax(pg_current_snapshot())::text::bigint >> 32)")
            await asyncio.to_thread(_copy_store, home.temporal / TEMPORAL, backup / TEMPORAL)
            archive = (snapshot, "--format=custom")
            await run("pg_dump", admin_dsn, *archive, "--exclude-table-data=customer_keys", f"--file={backup / DATA}")
            apart = ("--data-only", "--table=customer_keys", f"--file={keys / CUSTOMER_KEYS}")
            await run("pg_dump", admin_dsn, *archive, *apart)
        for path in home.keys.iterdir():
            shutil.copy(path, keys / path.name)
    finally:
        await connection.close()
    manifest = {
        "format": FORMAT,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "epoch": epoch,
        "files": {name: digest(backup / name) for name in (DATA, TEMPORAL)},
    }
    (backup / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    for path in (*backup.iterdir(), *keys.iterdir()):
        path.chmod(0o600)
    return manifest


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _copy_store(source: Path, target: Path) -> None:
    """SQLite's own way: a whole copy, whatever is written meanwhile."""
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as store,
        closing(sqlite3.connect(target)) as copy,
    ):
        store.backup(copy)
