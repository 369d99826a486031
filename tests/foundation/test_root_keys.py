"""The root key is rotated under the running stack: killed in the middle it goes on, and no turn fails meanwhile."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from pydantic import SecretStr

from helios.audit_log.anchors import FolderAnchor
from helios.audit_log.reading import Verdict
from helios.audit_log.verifier import verify_log
from helios.backup.making import make
from helios.commands.root_key import rotate_root, rotate_vault
from helios.crypto import ROOT_MARK, CryptoError, RootKey
from helios.database import Database
from helios.embedded.errors import StackError
from helios.embedded.keys import root_key_file, write_secret
from helios.embedded.supervisor import Stack
from helios.keyring import Keyring, root_key
from helios.kms import kept_roots, root_of
from helios.settings import PROJECT, Settings
from tests.caller import Customer
from tests.neighbour import make_neighbour

MARKS = "SELECT DISTINCT encode(substr(wrapped_key, 1, $1), 'hex') FROM {} WHERE tenant_id = ANY($2)"
WAITS = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'helios_owner' AND wait_event_type = 'Lock'"
TOLD = "SELECT detail ->> 'root_key' FROM audits WHERE action = 'root_key.rotated' AND tenant_id = $1"


@pytest.fixture
async def admin(stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(stack.servers.admin_dsn)
    yield connection
    await connection.close()


@pytest.fixture
async def config(stack: Stack) -> AsyncIterator[Settings]:
    """Afterwards everything is under the key that the other tests know."""
    file = root_key_file(stack.servers.home)
    made = Settings(root_key_file=file, postgres_owner_dsn=SecretStr(stack.servers.owner_dsn))
    first = file.read_text()
    yield made
    if (now := file.read_text()) != first:
        write_secret(file, ",".join((first, *(each for each in now.split(",") if each != first))))
        await rotate_root(made)
        assert file.read_text() == first


async def killed_half_way(stack: Stack, admin: asyncpg.Connection, tenant_id: UUID, tmp_path: Path) -> None:
    """The command, while it waits for the keys of one tenant; others have theirs already."""
    holding = await asyncpg.connect(stack.servers.admin_dsn)
    async with holding.transaction():
        await holding.execute("SELECT FROM tenant_keys WHERE tenant_id = $1 FOR UPDATE", tenant_id)
        command = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "helios", "keys", "rotate", "--root", cwd=PROJECT,
            env={**os.environ, "HELIOS_HOME": str(stack.servers.home.root), "HELIOS_POSTGRES_DSN": ""},
        )  # fmt: skip
        async with asyncio.timeout(30):
            while not await admin.fetchval(WAITS):
                await asyncio.sleep(0.05)
        with pytest.raises(StackError, match="being rotated"):
            await make(stack.servers.home, stack.servers.admin_dsn, tmp_path / "backup", tmp_path / "keys")
        command.kill()
        await command.wait()
    await holding.close()


async def test_a_new_root_key_is_taken_by_everybody_and_survives_a_kill(
    stack: Stack, database: Database, admin: asyncpg.Connection, config: Settings, tmp_path: Path
) -> None:
    old = root_key(stack.servers.keys.root_key)
    first, second = [await make_neighbour(database, old, ()) for _ in range(2)]
    await killed_half_way(stack, admin, second.tenant_id, tmp_path)
    both = root_of(config)
    assert both.mark != old.mark
    assert await marks(admin, "tenant_keys", first.tenant_id, second.tenant_id) == {both.mark, old.mark}
    # A tenant that knows the new key only: whoever serves it has taken it.
    third = await make_neighbour(database, both, ())
    said: list[str] = []
    for bank in (second, third):
        async with bank.api(stack.servers.api_url) as api:
            customer = await (await api.customer()).open()
            rotating = asyncio.create_task(rotate_root(config)) if bank is third else None
            said += await turns(customer, rotating)
    assert set(said) == {"200"}
    tenants = [bank.tenant_id for bank in (first, second, third)]
    new = root_of(config)
    assert config.root_key_file is not None
    assert config.root_key_file.read_text().count(",") == 0
    assert (config.root_key_file.stat().st_mode & 0o777, new.mark) == (0o600, both.mark)
    async with asyncio.timeout(60):
        while not await marks(admin, "audit_keys", *tenants):  # until a sealer of a busy machine came by
            await asyncio.sleep(0.1)
    assert await marks(admin, "tenant_keys", *tenants) == await marks(admin, "audit_keys", *tenants) == {new.mark}
    assert await admin.fetchval("SELECT count(*) FROM token_keys WHERE substr(wrapped_key, 1, 9) <> $1", new.mark) == 0
    assert {row[0] for row in await admin.fetch(TOLD, second.tenant_id)} == {new.mark.hex()}
    await logs_verify(stack, database, new, second.tenant_id)
    with pytest.raises(CryptoError, match="was it made with this root key"):
        await Keyring(old, database).tenant(second.tenant_id)


async def turns(customer: Customer, rotating: asyncio.Task[Any] | None) -> list[str]:
    said = [str((await customer.say("Which fees are there?")).status_code)]
    while rotating is not None and not rotating.done():
        said.append(str((await customer.say("And what else?")).status_code))
    if rotating is not None:
        await rotating
    return said


async def marks(admin: asyncpg.Connection, table: str, *tenants: UUID) -> set[bytes]:
    return {bytes.fromhex(row[0]) for row in await admin.fetch(MARKS.format(table), ROOT_MARK, tenants)}


async def logs_verify(stack: Stack, database: Database, root: RootKey, tenant_id: UUID) -> None:
    anchor = FolderAnchor(stack.servers.home.root / "audit-anchor")
    report = await verify_log(database, root, anchor, tenant_id)
    assert (report.verdict, report.detail) == (Verdict.GOOD, "good")


async def test_a_value_that_no_root_key_opens_stops_the_rotation_and_the_old_key_stays(
    database: Database, admin: asyncpg.Connection, config: Settings
) -> None:
    bank = await make_neighbour(database, root_of(config), ())
    kept = await admin.fetchval("SELECT wrapped_key FROM tenant_keys WHERE tenant_id = $1", bank.tenant_id)
    change = "UPDATE tenant_keys SET wrapped_key = $2 WHERE tenant_id = $1"
    await admin.execute(change, bank.tenant_id, RootKey(bytes(32)).new_tenant_key(bank.tenant_id, 1))
    with pytest.raises(StackError, match=rf"the old root key stays: the key of tenant {bank.tenant_id}"):
        await rotate_root(config)
    assert config.root_key_file is not None
    assert config.root_key_file.read_text().count(",") == 1
    await admin.execute(change, bank.tenant_id, kept)


async def test_where_somebody_else_keeps_the_key_the_command_says_what_to_set(
    admin: asyncpg.Connection, config: Settings
) -> None:
    elsewhere = config.model_copy(update={"root_key": SecretStr(kept_roots(config)[0]), "root_key_file": None})
    step = await rotate_root(elsewhere)
    assert step.settings is not None
    new, old = step.settings.split(",")
    assert (old, root_key(new).mark != root_key(old).mark) == (kept_roots(config)[0], True)
    assert "start every process again" in step.text
    assert config.root_key_file is not None
    write_secret(config.root_key_file, f"{old},{new}")  # every process knows both, as after such a start
    last = await rotate_root(elsewhere.model_copy(update={"root_key": SecretStr(step.settings)}))
    assert (last.settings, last.keys > 0) == (new, True)
    assert not await admin.fetchval("SELECT count(*) FROM tenant_keys WHERE substr(wrapped_key, 1, 9) <> $1",
                                    root_key(new).mark)  # fmt: skip
    with pytest.raises(StackError, match="set HELIOS_POSTGRES_OWNER_DSN"):
        await rotate_root(elsewhere.model_copy(update={"postgres_owner_dsn": SecretStr("")}))
    with pytest.raises(StackError, match="Vault does not keep the root key"):
        await rotate_vault(elsewhere)
