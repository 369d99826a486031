"""Migrations go up, down and up again, and lead exactly to what the models say."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from helios.database import sqlalchemy_url
from helios.migrations import configuration, migrate
from schema.tables import SQLModel

OBJECTS = """
    SELECT relkind::text || ' ' || relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
      AND relname NOT LIKE 'alembic_version%'
    UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proowner =
      (SELECT oid FROM pg_roles WHERE rolname = 'helios_owner')
    UNION ALL SELECT 'policy ' || tablename || ' ' || policyname FROM pg_policies
    UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT 'grant ' || table_name || ' ' || privilege_type FROM information_schema.role_table_grants
      WHERE grantee = 'helios_app'
    UNION ALL SELECT 'column ' || table_name || ' ' || column_name || ' ' || udt_name || ' ' || is_nullable || ' '
      || coalesce(column_default, '') FROM information_schema.columns WHERE table_schema = 'public'
      AND table_name <> 'alembic_version'
"""


async def objects(dsn: str) -> set[str]:
    connection = await asyncpg.connect(dsn)
    try:
        return {row[0] for row in await connection.fetch(OBJECTS)}
    finally:
        await connection.close()


async def test_up_down_and_up_again_leaves_nothing_and_builds_the_same(empty_database: str) -> None:
    before = await objects(empty_database)
    await migrate(empty_database)
    built = await objects(empty_database)
    assert len(built) > len(before) + len(SQLModel.metadata.tables)
    await migrate(empty_database, "base")
    assert await objects(empty_database) == before
    await migrate(empty_database)
    assert await objects(empty_database) == built


async def test_up_again_changes_nothing(empty_database: str) -> None:
    await migrate(empty_database)
    built = await objects(empty_database)
    await migrate(empty_database)
    assert await objects(empty_database) == built


def test_there_is_one_line_of_migrations() -> None:
    script = ScriptDirectory.from_config(configuration())
    assert len(script.get_heads()) == 1
    assert len(script.get_bases()) == 1


@pytest.mark.filterwarnings("ignore:Did not recognize type 'xid8'")
async def test_the_models_are_what_the_migrations_build(empty_database: str) -> None:
    await migrate(empty_database)

    def compare(connection: Connection) -> list[Any]:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, SQLModel.metadata))

    engine = create_async_engine(sqlalchemy_url(empty_database), poolclass=NullPool)
    async with engine.connect() as connection:
        assert await connection.run_sync(compare) == []
    await engine.dispose()
