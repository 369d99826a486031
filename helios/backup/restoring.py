"""Restoring a backup into an embedded stack's home. Until all is done a mark keeps `helios up` from serving it."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from helios.backup.afterwards import settle
from helios.backup.anchored import anchor_at, anchors_of
from helios.backup.making import CUSTOMER_KEYS, DATA, FORMAT, MANIFEST, TEMPORAL, digest
from helios.backup.programs import run
from helios.database import Database
from helios.embedded.errors import StackError
from helios.embedded.home import Home
from helios.embedded.keeper import Report
from helios.embedded.keys import load_keys
from helios.embedded.postgres import advance_epoch, has_data, postgres_part
from helios.embedded.supervisor import Program, Stack, running_stack
from helios.keyring import Keyring, root_key
from helios.settings import Settings


def mark(home: Home) -> Path:
    return home.root / "restoring"


def require_whole(home: Home) -> None:
    """Raises `StackError` where a restore did not come to its end: erased customers might be readable."""
    if mark(home).exists():
        raise StackError(f"A restore into {home.root} did not end. Run it again: `helios restore … --replace`.")


def read_manifest(backup: Path) -> dict[str, Any]:
    """Raises `StackError` for what is no backup, or was changed since."""
    try:
        manifest: dict[str, Any] = json.loads((backup / MANIFEST).read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            raise StackError(f"{backup} has another format: {manifest['format']}.")
        wrong = [name for name, sha256 in manifest["files"].items() if digest(backup / name) != sha256]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StackError(f"{backup} is no backup: {error}.") from None
    if wrong:
        raise StackError(f"{', '.join(wrong)} in {backup} was changed since the backup was made.")
    return manifest


async def restore(
    config: Settings,
    backup: Path,
    keys: Path,
    report: Report,
    *,
    replace: bool,
    without_anchor: bool = False,
    old_anchor: str | None = None,
) -> int:
    """How many customers were erased again. `old_anchor`: the place of `settle`'s. Raises `StackError`."""
    manifest = read_manifest(backup)
    home = Home(config.home.expanduser().absolute())
    home.prepare()
    with home.locked():
        if has_data(home) and not replace:
            raise StackError(f"{home.root} holds data. To throw it away for the backup's, say --replace.")
        _lay_out(home, backup, keys, int(manifest["epoch"]) + 1)
    async with running_stack(config, report=report) as stack:
        await _fill(stack, backup, keys, report)
        erased = await _settle(stack, config, without_anchor=without_anchor, old_anchor=old_anchor)
    mark(home).unlink()
    return erased


def _lay_out(home: Home, backup: Path, keys: Path, epoch: int) -> None:
    """The files of a stack that has never run, with the backup's keys and Temporal's store.

    A new cluster counts transactions from the beginning again; in a later epoch all that is written from here on comes
    after what was restored, as the sealer of the audit log needs it.
    """
    mark(home).touch()
    for folder in (home.postgres, home.temporal, home.valkey, home.keys):
        shutil.rmtree(folder)
    home.prepare()
    for path in keys.iterdir():
        if path.name != CUSTOMER_KEYS:
            shutil.copy(path, home.keys / path.name)
    shutil.copy(backup / TEMPORAL, home.temporal / TEMPORAL)
    postgres_part(home, load_keys(home, has_data=True), port=0)  # makes the data folder; nothing is started
    advance_epoch(home, epoch)


async def _fill(stack: Stack, backup: Path, keys: Path, report: Report) -> None:
    report("Database", "restoring")
    admin = stack.servers.admin_dsn
    await run("pg_restore", admin, "--dbname=helios", "--exit-on-error", str(backup / DATA))
    await run("pg_restore", admin, "--dbname=helios", "--exit-on-error", str(keys / CUSTOMER_KEYS))
    await stack.run_once(Program("migrate", [sys.executable, "-m", "helios", "migrate"], title="Database"))
    report("Database", "restored")


async def _settle(stack: Stack, config: Settings, *, without_anchor: bool, old_anchor: str | None) -> int:
    servers = stack.servers
    here = config.model_copy(update={"home": servers.home.root, "temporal_address": servers.temporal_address})
    database = Database(servers.app_dsn, pool_size=2)

    async def start_workers() -> None:
        env = {name: value for name, value in config.environment().items() if name not in servers.env()}
        await stack.start(Program("worker-1", [sys.executable, "-m", "helios", "worker"], env, title="Worker"))

    try:
        async with asyncio.timeout(3_600):
            keyring = Keyring(root_key(servers.keys.root_key), database)
            old = anchor_at(here, old_anchor) if old_anchor else None
            return await settle(
                here, database, keyring, anchors_of(here), without_anchor=without_anchor, old=old,
                start_workers=start_workers,
            )  # fmt: skip
    finally:
        await database.close()
