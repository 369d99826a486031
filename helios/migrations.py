"""Brings the schema to a version. Runs as the schema's owner."""

from __future__ import annotations

from collections.abc import Callable

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from helios.crypto import RootKey
from helios.database import sqlalchemy_url
from helios.settings import PROJECT
from helios.staff_sealing import seal_clear

SEALABLE = "0028_staff_may_be_sealed"
"""At this revision staff are sealed, which takes keys; the next one takes away what was clear."""


def configuration(connection: Connection | None = None) -> Config:
    config = Config(str(PROJECT / "alembic.ini"))
    config.set_main_option("script_location", str(PROJECT / "schema" / "migrations"))
    config.attributes["connection"] = connection
    return config


async def migrate(owner_dsn: str, revision: str = "head", root: Callable[[], RootKey] | None = None) -> None:
    """Up to `revision`, or down to it where it begins with `-` or is `base`.

    `root`: asked for where something is to be sealed. Raises `StackError` where that is needed and not given.
    """
    down = revision == "base" or revision.startswith("-")
    if revision == "head" and await _run(owner_dsn, _before_sealed):
        await _run(owner_dsn, lambda sync: command.upgrade(configuration(sync), SEALABLE))
        await seal_clear(owner_dsn, root)
    step = command.downgrade if down else command.upgrade
    await _run(owner_dsn, lambda sync: step(configuration(sync), revision))


def _before_sealed(sync: Connection) -> bool:
    """Names of revisions begin with their numbers."""
    return (MigrationContext.configure(sync).get_current_revision() or "") <= SEALABLE


async def _run(owner_dsn: str, step: Callable[[Connection], object]) -> object:
    engine = create_async_engine(sqlalchemy_url(owner_dsn), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            done = await connection.run_sync(step)
            await connection.commit()
            return done
    finally:
        await engine.dispose()
