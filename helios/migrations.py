"""Brings the schema to a version. Runs as the schema's owner."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from helios.database import sqlalchemy_url
from helios.settings import PROJECT


def configuration(connection: Connection | None = None) -> Config:
    config = Config(str(PROJECT / "alembic.ini"))
    config.set_main_option("script_location", str(PROJECT / "schema" / "migrations"))
    config.attributes["connection"] = connection
    return config


async def migrate(owner_dsn: str, revision: str = "head") -> None:
    """Up to `revision`, or down to it where it begins with `-` or is `base`."""
    step = command.downgrade if revision == "base" or revision.startswith("-") else command.upgrade
    engine = create_async_engine(sqlalchemy_url(owner_dsn), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(lambda sync: step(configuration(sync), revision))
            await connection.commit()
    finally:
        await engine.dispose()
