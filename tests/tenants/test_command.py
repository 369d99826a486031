"""`python -m helios tenant create`: a cluster's first tenant and its first platform admin."""

from __future__ import annotations

import json
import os
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from helios import invitations
from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.keyring import Keyring
from tests.commanding import running_helios


async def run(stack: Stack, *words: str) -> tuple[int, str, str]:
    where = {"HELIOS_POSTGRES_DSN": stack.servers.app_dsn, "HELIOS_ROOT_KEY": stack.servers.keys.root_key}
    ended = await running_helios("tenant", "create", *words, env={**os.environ, **where})
    return ended.returncode, ended.stdout, ended.stderr


async def redeemed(database: Database, told: dict[str, Any]) -> Any:
    tenant_id = UUID(told["tenant_id"])
    async with database.tenant(tenant_id) as connection:
        return await invitations.redeem(connection, tenant_id, told["invitation_token"], uuid4())


async def test_it_makes_a_whole_tenant_and_invites_its_admin_once(
    stack: Stack, database: Database, keyring: Keyring
) -> None:
    name = f"First Bank {uuid4().hex[:8]}"
    code, out, err = await run(stack, name, "--admin", "Ada@Bank.example", "--platform", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert (told["created"], told["slug"], told["admin"]) == (True, name.lower().replace(" ", "-"), "ada@bank.example")
    row = await redeemed(database, told)
    assert row.roles == ["admin", "platform_admin"]
    assert await redeemed(database, told) is None
    tenant_id = UUID(told["tenant_id"])
    keys = await keyring.tenant(tenant_id)
    assert keys.open_text(keys.seal_text("x", "a.b", 1), "a.b", 1) == "x"
    async with database.tenant(tenant_id) as connection:
        counted = text(
            "SELECT (SELECT count(*) FROM policies), (SELECT count(*) FROM redaction_rules), name FROM tenants"
        )
        assert tuple((await connection.execute(counted)).one()) == (1, 1, name)

    code, out, _ = await run(stack, name, "--admin", "bo@bank.example", "--json")
    again = json.loads(out)
    assert (code, again["created"], again["tenant_id"]) == (0, False, told["tenant_id"])
    assert (await redeemed(database, again)).roles == ["admin"]


async def test_what_is_wrong_is_said_and_makes_nothing(stack: Stack, database: Database) -> None:
    for words in (
        ("Bank", "--admin", "nobody"),
        ("***", "--admin", "a@b.example"),
        ("X", "--admin", "a@b.c", "--slug", "A B"),
    ):
        code, out, err = await run(stack, *words)
        assert (code, out) == (1, ""), words
        assert len(err.strip().splitlines()) == 1
    async with database.platform() as connection:
        slugs = set(await connection.scalars(text("SELECT slug FROM tenants")))
    assert not slugs & {"bank", "x", "a-b"}
