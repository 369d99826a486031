"""A start that finds its database filled does not fill it again; any other does."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from helios.commands.up import fill_database
from helios.demo_bank.in_place import is_in_place, keep
from helios.demo_bank.people import load_secrets, new_secrets, save_secrets, secrets_file
from helios.embedded.servers import silent
from helios.embedded.supervisor import Stack


@pytest.fixture
async def admin(stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    """The superuser's connection to a database that is in place as it is."""
    connection = await asyncpg.connect(stack.servers.admin_dsn)
    await keep(stack.servers.home, connection)
    yield connection
    await connection.close()


async def test_a_filled_database_is_not_filled_again(stack: Stack, admin: asyncpg.Connection) -> None:
    audited = "SELECT count(*) FROM audits WHERE action = 'demo.people_seeded'"
    before = await admin.fetchval(audited)
    await fill_database(stack, silent)
    assert await admin.fetchval(audited) == before


async def test_without_its_mark_it_is_filled_again_and_marked(stack: Stack, admin: asyncpg.Connection) -> None:
    (stack.servers.home.root / "filled").unlink()
    passwords = "SELECT array_agg(password_hash ORDER BY id) FROM users"
    before = await admin.fetchval(passwords)
    await fill_database(stack, silent)
    assert await admin.fetchval(passwords) != before
    assert await is_in_place(stack.servers.home, admin)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE alembic_version SET version_num = 'elsewhere'",
        "UPDATE users SET password_hash = 'changed' WHERE roles = '{agent}'",
        "DELETE FROM api_key_index",
        "UPDATE knowledge_sources SET published_version = NULL WHERE id = (SELECT min(id::text)::uuid "
        "FROM knowledge_sources WHERE tenant_id = (SELECT id FROM tenants WHERE slug = 'meridian'))",
        "ALTER TABLE knowledge_sources RENAME TO elsewhere",
        "UPDATE tenants SET slug = 'elsewhere' WHERE slug = 'meridian'",
    ],
)
async def test_a_changed_database_is_not_in_place(stack: Stack, admin: asyncpg.Connection, change: str) -> None:
    """Seen from inside the transaction that changes it, which is then taken back."""
    home = stack.servers.home
    changing = admin.transaction()
    await changing.start()
    try:
        assert await is_in_place(home, admin)
        await admin.execute(change)
        assert not await is_in_place(home, admin)
    finally:
        await changing.rollback()


async def test_other_keys_are_not_in_place(stack: Stack, admin: asyncpg.Connection) -> None:
    file = secrets_file(stack.servers.home.root)
    made = load_secrets(file)
    assert made is not None
    save_secrets(file, new_secrets())
    try:
        assert not await is_in_place(stack.servers.home, admin)
    finally:
        save_secrets(file, made)
