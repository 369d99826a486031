"""The demo bank is seeded again, and greets: neither takes anything from what the bank has made since."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from helios.commands.up import QUESTION, greet
from helios.database import Database
from helios.demo_bank.people import new_secrets
from helios.demo_bank.seed import seed_people
from helios.embedded.supervisor import Stack
from helios.keyring import Keyring
from tests.neighbour import Neighbour, make_neighbour

KEYS = text("SELECT id, name, deleted_at IS NOT NULL AS revoked FROM api_keys ORDER BY created_at, id")
EVENTS = text("SELECT action, subject_id FROM audits WHERE action LIKE 'api\\_key.%' ORDER BY xid, id")
REVOKE = text("UPDATE api_keys SET deleted_at = now() WHERE name = 'demo'")


async def rows(database: Database, tenant_id: UUID, query: Any) -> list[tuple[Any, ...]]:
    async with database.tenant(tenant_id) as connection:
        return [tuple(row) for row in await connection.execute(query)]


async def test_seeding_again_touches_the_demos_own_key_only(stack: Stack, database: Database, keyring: Keyring) -> None:
    bank: Neighbour = await make_neighbour(database, keyring.root)
    tenant_id, first, second = bank.tenant_id, new_secrets(), new_secrets()
    (own,) = await rows(database, tenant_id, KEYS)
    for _ in range(2):
        await seed_people(database, keyring.root, tenant_id, first)
    before, (_, (demo, *_)) = await rows(database, tenant_id, EVENTS), await rows(database, tenant_id, KEYS)
    assert before[-1:] == [("api_key.created", demo)]
    await seed_people(database, keyring.root, tenant_id, second)
    kept, older, newer = await rows(database, tenant_id, KEYS)
    assert (kept, older) == (own, (demo, "demo", True))
    assert (newer[1], newer[2]) == ("demo", False)
    told = (await rows(database, tenant_id, EVENTS))[len(before) :]
    assert sorted(told) == [("api_key.created", newer[0]), ("api_key.revoked", demo)]
    async with bank.api(stack.servers.api_url) as api:  # its own key opens the door as before
        assert (await api.customer()).id


async def test_a_key_that_was_revoked_stays_revoked(database: Database, keyring: Keyring) -> None:
    bank, secrets = await make_neighbour(database, keyring.root), new_secrets()
    await seed_people(database, keyring.root, bank.tenant_id, secrets)
    async with database.tenant(bank.tenant_id) as connection:
        await connection.execute(REVOKE)
    before = await rows(database, bank.tenant_id, KEYS)
    await seed_people(database, keyring.root, bank.tenant_id, secrets)
    assert await rows(database, bank.tenant_id, KEYS) == before


async def test_a_greeting_that_fails_is_told_in_a_line(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    await greet(stack.servers.api_url, new_secrets().api_key)
    said = capsys.readouterr().err
    assert "The first conversation is left out. The demo bank's API key is not accepted" in said
    assert len(said.split("\n")) == 4
    await greet("http://127.0.0.1:1", "x")
    assert "left out. ConnectError" in capsys.readouterr().err
    await greet(stack.servers.api_url, stack.description()["demo"]["api_key"])
    told = capsys.readouterr()
    assert (QUESTION in told.out, told.err) == (True, "")
