"""An upgrade seals the names and addresses of staff that older releases kept in clear, and nothing of them is left."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from helios import staff, staff_sealing
from helios.crypto import RootKey
from helios.database import Database
from helios.embedded.errors import StackError
from helios.embedded.supervisor import Stack
from helios.ids import new_id
from helios.migrations import migrate
from helios.tenant_keys import read_keys
from tests.schema.conftest import elsewhere

ROOT = RootKey(bytes(32))
BEFORE = "0027_follow_ups"
WORD = "zaunkoenig"
PEOPLE = 5


@pytest.fixture
async def admin(stack: Stack, empty_database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(elsewhere(stack.servers.admin_dsn, empty_database.rsplit("/", 1)[1]))
    yield connection
    await connection.close()


async def clear_staff(admin: asyncpg.Connection) -> UUID:
    """A tenant as the release before kept it: people, an invitation, and facts that name who took a case."""
    tenant_id, customer_id, thread_id = new_id(), new_id(), new_id()
    await admin.execute("INSERT INTO tenants (id, slug, name) VALUES ($1, $2, 'Old')", tenant_id, f"old-{uuid4().hex}")
    key = ROOT.new_tenant_key(tenant_id, 1)
    await admin.execute("INSERT INTO tenant_keys (tenant_id, version, wrapped_key) VALUES ($1, 1, $2)", tenant_id, key)
    for n in range(PEOPLE):
        await admin.execute(
            "INSERT INTO users (tenant_id, id, email, display_name, roles) VALUES ($1, $2, $3, $4, '{agent}')",
            tenant_id, new_id(), f"{WORD}{n}@old.example", f"Nora {WORD} {n}",
        )  # fmt: skip
    await admin.execute(
        "INSERT INTO invitations (tenant_id, id, email, roles, token_hash, expires_at) "
        "VALUES ($1, $2, $3, '{agent}', 'x', now())", tenant_id, new_id(), f"invited.{WORD}@old.example",
    )  # fmt: skip
    await admin.execute(
        "INSERT INTO customers (tenant_id, id, external_id_index, profile_ct) VALUES ($1, $2, 'x', 'x')",
        tenant_id, customer_id,
    )  # fmt: skip
    await admin.execute(
        "INSERT INTO threads (tenant_id, id, customer_id, channel, status) VALUES ($1, $2, $3, 'web', 'active')",
        tenant_id, thread_id, customer_id,
    )  # fmt: skip
    for seq, name in enumerate((None, f"Nora {WORD} 3", f"Renamed {WORD}"), 1):
        payload = json.dumps({"id": str(new_id()), "status": "claimed", "agent_display_name": name})
        await admin.execute(
            "INSERT INTO conversation_events (tenant_id, conversation_id, seq, type, dedupe_key, payload) "
            "VALUES ($1, $2, $3, 'escalation.claimed', $4, $5)", tenant_id, thread_id, seq, str(seq), payload,
        )  # fmt: skip
    return tenant_id


async def test_whoever_stood_in_clear_is_sealed_and_found_by_the_index(
    stack: Stack, empty_database: str, admin: asyncpg.Connection
) -> None:
    await migrate(empty_database, BEFORE)
    tenants = [await clear_staff(admin), await clear_staff(admin)]
    await migrate(empty_database, "head", lambda: ROOT)
    database = Database(elsewhere(stack.servers.app_dsn, empty_database.rsplit("/", 1)[1]), pool_size=1)
    try:
        for tenant_id in tenants:
            async with database.tenant(tenant_id) as connection:
                keys = await read_keys(connection, ROOT, tenant_id)
                found = [await staff.find(connection, keys, f"{WORD.upper()}{n}@old.example") for n in range(PEOPLE)]
                assert [staff.name_of(keys, each) for each in found] == [f"Nora {WORD} {n}" for n in range(PEOPLE)]
            told = await admin.fetch(
                "SELECT payload ->> 'agent_id' AS agent, payload ? 'agent_display_name' AS named "
                "FROM conversation_events WHERE tenant_id = $1 ORDER BY seq", tenant_id,
            )  # fmt: skip
            assert [(row["agent"], row["named"]) for row in told] == [
                (None, False), (str(found[3].id), False), (None, False),  # type: ignore[union-attr]
            ]  # fmt: skip
    finally:
        await database.close()
    told = await admin.fetch("SELECT tenant_id, detail FROM audits WHERE action = 'staff.sealed'")
    assert {row["tenant_id"] for row in told} == set(tenants)
    await migrate(empty_database, "head", lambda: pytest.fail("nothing is left to seal"))
    assert await files_with_the_word(stack, admin) == []


async def files_with_the_word(stack: Stack, admin: asyncpg.Connection) -> list[str]:
    """Files of staff's tables; what other tables and the write-ahead log still hold goes with a vacuum of theirs."""
    await admin.execute("CHECKPOINT")
    data = Path(await admin.fetchval("SELECT setting FROM pg_settings WHERE name = 'data_directory'"))
    paths = [
        data / await admin.fetchval("SELECT pg_relation_filepath(CAST($1 AS text)::regclass)", each)
        for each in ("users", "invitations")
    ]
    assert all(path.exists() for path in paths)
    return [str(path) for path in paths if WORD.encode() in path.read_bytes()]


async def test_killed_in_the_middle_it_goes_on_and_no_clear_column_goes_before_it_ends(
    empty_database: str, admin: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrate(empty_database, BEFORE)
    tenant_id = await clear_staff(admin)
    monkeypatch.setattr(staff_sealing, "BATCH", 2)
    asked = 0

    def killed_at_the_second() -> RootKey:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise KeyboardInterrupt
        return ROOT

    with pytest.raises(KeyboardInterrupt):
        await migrate(empty_database, "head", killed_at_the_second)
    clear = "SELECT count(*) FROM users WHERE tenant_id = $1 AND email IS NOT NULL"
    assert await admin.fetchval(clear, tenant_id) == PEOPLE - 2
    with pytest.raises(StackError, match="HELIOS_ROOT_KEY"):
        await migrate(empty_database)
    with pytest.raises(Exception, match="contains null values"):
        await migrate(empty_database, "+1")  # as alembic alone would
    assert await admin.fetchval(clear, tenant_id) == PEOPLE - 2
    await migrate(empty_database, "head", lambda: ROOT)
    assert await admin.fetchval("SELECT count(*) FROM users WHERE email_index IS NOT NULL") == PEOPLE
