"""Keys in memory, payloads in Temporal and facts in PostgreSQL, on the real servers and with two tenants."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import insert, text
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.converter import WorkflowSerializationContext

from helios import facts
from helios.codec import ENCODING, EncryptionCodec, data_converter
from helios.crypto import CryptoError
from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.facts import Fact
from helios.keyring import Keyring
from helios.tenant_keys import SEALS_AFTER_S, rewrap, rotate
from schema.steps import conversation_workflow_id
from schema.tables import TenantKey
from tests.caller import Api, Customer
from tests.neighbour import Neighbour, make_neighbour

CANARY = "kanarienvogel"
PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(CANARY).encode())


def of(keyring: Keyring, tenant_id: UUID) -> EncryptionCodec:
    """The codec as the SDK gives it the workflow's context."""
    context = WorkflowSerializationContext(
        namespace="default", workflow_id=conversation_workflow_id(tenant_id, uuid4())
    )
    return EncryptionCodec(keyring).with_context(context)


async def test_a_payload_is_sealed_with_its_own_tenants_key(
    keyring: Keyring, tenant_id: UUID, neighbour: Neighbour
) -> None:
    sealed = await of(keyring, tenant_id).encode([PLAIN])
    assert CANARY.encode() not in sealed[0].SerializeToString()
    assert sealed[0].metadata["key-id"] == f"{tenant_id}:v1".encode()
    assert await of(keyring, tenant_id).decode(sealed) == [PLAIN]
    assert await EncryptionCodec(keyring).decode(sealed) == [PLAIN]
    with pytest.raises(CryptoError):
        await of(keyring, neighbour.tenant_id).decode(sealed)


async def test_a_payload_cannot_be_passed_off_as_another_tenants(
    keyring: Keyring, tenant_id: UUID, neighbour: Neighbour
) -> None:
    (sealed,) = await of(keyring, tenant_id).encode([PLAIN])
    for key_id in (f"{neighbour.tenant_id}:v1", f"{tenant_id}:v2", f"{tenant_id}:v01"):
        forged = Payload(metadata={"encoding": ENCODING, "key-id": key_id.encode()}, data=sealed.data)
        with pytest.raises(CryptoError):
            await EncryptionCodec(keyring).decode([forged])
    changed = Payload(metadata=sealed.metadata, data=sealed.data[:-1] + bytes([sealed.data[-1] ^ 1]))
    with pytest.raises(CryptoError):
        await of(keyring, tenant_id).decode([changed])


async def test_the_message_of_a_failure_is_sealed_too(keyring: Keyring, tenant_id: UUID) -> None:
    converter = data_converter(keyring).with_context(
        WorkflowSerializationContext(namespace="default", workflow_id=conversation_workflow_id(tenant_id, uuid4()))
    )
    from temporalio.api.failure.v1 import Failure

    failure = Failure()
    await converter.encode_failure(ValueError(CANARY), failure)
    assert CANARY.encode() not in failure.SerializeToString()
    assert CANARY in str(await converter.decode_failure(failure))


async def test_a_payload_without_a_workflow_holds_nothing(keyring: Keyring) -> None:
    """Whether it is refused or withheld: no text goes out unsealed."""
    try:
        encoded = await EncryptionCodec(keyring).encode([PLAIN])
    except CryptoError:
        return
    assert CANARY.encode() not in b"".join(each.SerializeToString() for each in encoded)


async def test_a_new_key_version_is_found_without_a_restart(stack: Stack, database: Database, keyring: Keyring) -> None:
    bank = await make_neighbour(database, keyring.root)
    long_running, rotating = Keyring(keyring.root, database), Keyring(keyring.root, database)
    old = await of(long_running, bank.tenant_id).encode([PLAIN])
    async with database.tenant(bank.tenant_id) as connection:
        wrapped = keyring.root.new_tenant_key(bank.tenant_id, 2)
        known = datetime.now(UTC) - timedelta(seconds=SEALS_AFTER_S + 1)
        new_key = insert(TenantKey).values(tenant_id=bank.tenant_id, version=2, wrapped_key=wrapped, created_at=known)
        await connection.execute(new_key)
    new = await of(rotating, bank.tenant_id).encode([PLAIN])
    assert new[0].metadata["key-id"].endswith(b":v2")
    assert await of(long_running, bank.tenant_id).decode([*old, *new]) == [PLAIN, PLAIN]


async def test_rotation_seals_later_wraps_anew_and_everything_opens(
    stack: Stack, database: Database, keyring: Keyring
) -> None:
    bank = await make_neighbour(database, keyring.root)
    running = Keyring(keyring.root, database)
    before = (await running.tenant(bank.tenant_id)).seal_text(CANARY, "a.b", 1)
    async with bank.api(stack.servers.api_url) as api:
        customer = UUID((await api.customer()).id)
    said = (await running.customer(bank.tenant_id, customer)).seal_text(CANARY, "a.b", 1)
    assert await rotate(database, keyring.root, bank.tenant_id) == 2
    fresh = Keyring(keyring.root, database)
    assert (await fresh.tenant(bank.tenant_id)).version == 1
    async with asyncpg_of(stack) as owner:
        aged = "UPDATE tenant_keys SET created_at = created_at - interval '2 minutes' WHERE tenant_id = $1"
        await owner.execute(aged, bank.tenant_id)
    assert await rewrap(database, keyring.root, bank.tenant_id) == 1
    assert await rewrap(database, keyring.root, bank.tenant_id) == 0
    running.forget(bank.tenant_id, customer)
    for each in (running, Keyring(keyring.root, database)):
        keys = await each.customer(bank.tenant_id, customer)
        assert keys.open_text(said, "a.b", 1) == keys.open_text(before, "a.b", 1) == CANARY
    new = await Keyring(keyring.root, database).tenant(bank.tenant_id)
    assert new.version == 2
    assert new.open_text(before, "a.b", 1) == CANARY


@asynccontextmanager
async def asyncpg_of(stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    owner = await asyncpg.connect(stack.servers.admin_dsn)
    try:
        yield owner
    finally:
        await owner.close()


async def test_a_tenant_without_keys_is_an_error(keyring: Keyring) -> None:
    with pytest.raises(CryptoError):
        await keyring.tenant(uuid4())


async def _history(stack: Stack, tenant_id: UUID, conversation: str) -> bytes:
    client = await Client.connect(stack.servers.temporal_address, namespace=stack.servers.temporal_namespace)
    handle = client.get_workflow_handle(conversation_workflow_id(tenant_id, UUID(conversation)))
    return b"".join([event.SerializeToString() async for event in handle.fetch_history_events()])


async def test_a_conversations_history_holds_no_word(stack: Stack, api: Api, tenant_id: UUID) -> None:
    customer = await (await api.customer()).open(channel=CANARY)
    answer = await customer.say(f"My name is {CANARY} and I ask what it costs to send money abroad.")
    reply = answer.json()["reply"]["content"]
    history = await _history(stack, tenant_id, customer.conversation)
    assert len(history) > 500
    assert ENCODING in history
    for word in (CANARY, "Meridian", "money abroad", reply[:25], "answered", "intent", "disclosure"):
        assert word.encode() not in history, word


async def _conversation(api: Api) -> Customer:
    return await (await api.customer()).open()


async def test_a_fact_is_told_once(api: Api, database: Database, tenant_id: UUID) -> None:
    conversation = UUID((await _conversation(api)).conversation)
    for _ in range(3):
        async with database.tenant(tenant_id) as connection:
            told = [
                Fact("turn.stage", "once", {"turn": 1, "stage": "intent"}),
                Fact("turn.stage", "twice", {"turn": 1}),
            ]
            await facts.append(connection, tenant_id, conversation, told)
    rows = await _facts(database, tenant_id, conversation)
    keys = [row.dedupe_key for row in rows]
    assert keys.count("once") == keys.count("twice") == 1
    assert [row.seq for row in rows] == sorted({row.seq for row in rows})


async def test_a_rolled_back_fact_never_was(api: Api, database: Database, tenant_id: UUID) -> None:
    conversation = UUID((await _conversation(api)).conversation)
    with suppress(ZeroDivisionError):
        async with database.tenant(tenant_id) as connection:
            await facts.append(connection, tenant_id, conversation, [Fact("turn.stage", "gone")])
            raise ZeroDivisionError
    assert "gone" not in {row.dedupe_key for row in await _facts(database, tenant_id, conversation)}


async def test_facts_of_nobody_are_refused(api: Api, database: Database, tenant_id: UUID, neighbour: Neighbour) -> None:
    conversation = UUID((await _conversation(api)).conversation)
    for tenant, wanted in ((tenant_id, uuid4()), (neighbour.tenant_id, conversation)):
        with pytest.raises(LookupError):
            async with database.tenant(tenant) as connection:
                await facts.append(connection, tenant, wanted, [Fact("turn.stage", "x")])


async def test_no_gap_that_a_reader_has_passed_is_filled_later(api: Api, stack: Stack, tenant_id: UUID) -> None:
    """Fifty writers at once, slow and fast, some that give up: whoever has read up to n misses nothing below n."""
    conversation = UUID((await _conversation(api)).conversation)
    database = Database(stack.servers.app_dsn, pool_size=8, max_overflow=0, pool_timeout_s=60)
    seen: dict[int, str] = {}
    done = asyncio.Event()

    async def write(n: int) -> None:
        async with database.tenant(tenant_id) as connection:
            told = [Fact("turn.stage", f"{n}:{part}", {"turn": n}) for part in range(1 + n % 3)]
            await facts.append(connection, tenant_id, conversation, told)
            await connection.execute(text("SELECT pg_sleep(:s)"), {"s": (n * 7 % 5) / 1_000})
            if n % 11 == 0:
                raise RuntimeError("gave up")

    async def read() -> None:
        while True:
            last = done.is_set()
            for row in await _facts(database, tenant_id, conversation, after=max(seen, default=0)):
                seen[row.seq] = row.dedupe_key
            if last:
                return
            await asyncio.sleep(0)

    reader = asyncio.create_task(read())
    ended = await asyncio.gather(*(write(n) for n in range(50)), return_exceptions=True)
    done.set()
    await reader
    stored = {row.seq: row.dedupe_key for row in await _facts(database, tenant_id, conversation)}
    await database.close()
    assert [each for each in ended if each is not None and not isinstance(each, RuntimeError)] == []
    assert seen == stored
    assert {f"{n}:0" for n in range(50) if n % 11} <= set(stored.values())
    assert "11:0" not in stored.values()


async def _facts(database: Database, tenant_id: UUID, conversation: UUID, after: int = 0) -> list[Any]:
    async with database.tenant(tenant_id) as connection:
        rows = await connection.execute(
            text(
                "SELECT seq, dedupe_key FROM conversation_events WHERE tenant_id = :t AND conversation_id = :c "
                "AND seq > :after ORDER BY seq"
            ),
            {"t": tenant_id, "c": conversation, "after": after},
        )
        return list(rows.all())
