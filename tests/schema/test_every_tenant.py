"""One question to all tenants: each answers for itself, and the walls between them stay up."""

from __future__ import annotations

from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text

from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.every_tenant import ASK, ask_every_tenant
from helios.keyring import Keyring
from tests.neighbour import Neighbour, make_neighbour

STAFF = "SELECT tenant_id AS of_tenant, id FROM users"
"""Asks for no tenant: what a tenant sees is row-level security's business alone."""
MINE = text("SELECT current_setting('app.tenant_id', true)")


async def test_each_tenant_sees_its_own_rows_only(database: Database, tenant_id: UUID, neighbour: Neighbour) -> None:
    found = await ask_every_tenant(database, STAFF)
    assert {tenant_id, neighbour.tenant_id} <= {each.tenant_id for each in found}
    assert all(str(each.tenant_id) == each.row["of_tenant"] for each in found)


async def test_what_is_asked_for_comes_as_parameters(database: Database, neighbour: Neighbour) -> None:
    asked = f"{STAFF} WHERE tenant_id = $1 AND id = CAST($2 ->> 'id' AS uuid)"
    found = await ask_every_tenant(database, asked, {"id": str(neighbour.users["agent"])})
    assert [each.tenant_id for each in found] == [neighbour.tenant_id]


async def test_however_many_there_are_each_is_asked(
    stack: Stack, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("helios.every_tenant.AT_ONCE", 70)
    owner = await asyncpg.connect(stack.servers.admin_dsn)
    made = await owner.fetch(
        "INSERT INTO tenants (id, slug, name) SELECT gen_random_uuid(), 'crowd-' || gen_random_uuid(), 'Crowd' "
        "FROM generate_series(1, 200) RETURNING id"
    )
    asked = [each.tenant_id for each in await ask_every_tenant(database, "SELECT 1 AS there")]
    await owner.execute("DELETE FROM tenants WHERE id = ANY ($1)", [row["id"] for row in made])
    await owner.close()
    assert {row["id"] for row in made} <= set(asked)
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize("deleted", [False, True])
async def test_deleted_tenants_are_asked_only_where_that_is_wanted(
    stack: Stack, database: Database, keyring: Keyring, deleted: bool
) -> None:
    closed = await make_neighbour(database, keyring.root, roles=())
    owner = await asyncpg.connect(stack.servers.admin_dsn)
    await owner.execute("UPDATE tenants SET deleted_at = now() WHERE id = $1", closed.tenant_id)
    await owner.close()
    asked = {each.tenant_id for each in await ask_every_tenant(database, "SELECT 1 AS there", deleted=deleted)}
    assert (closed.tenant_id in asked) is deleted


async def test_afterwards_the_transaction_is_whose_it_was(
    database: Database, tenant_id: UUID, neighbour: Neighbour
) -> None:
    question = {"question": STAFF, "parameters": "{}", "tenants": [tenant_id]}
    async with database.platform() as connection:
        assert (await connection.execute(ASK, question)).all()
        assert (await connection.execute(MINE)).scalar_one() == ""
        assert (await connection.execute(text("SELECT count(*) FROM users"))).scalar_one() == 0
    async with database.tenant(neighbour.tenant_id) as connection:
        await connection.execute(ASK, question)
        assert UUID((await connection.execute(MINE)).scalar_one()) == neighbour.tenant_id
