"""What encryption costs a turn: what it leaves behind, sealed and opened, and the same passed on as it is.

The product cannot be told to leave encryption out, so the two are compared on what a real conversation left behind:
every payload of its history goes through the codec and back, as on its way to Temporal and to a worker; every sealed
column and frame is sealed once and opened once. Counted is the processor's time of this one process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec, WorkflowSerializationContext

from benchmarks.environment import Stack, child, load
from benchmarks.history import histories_of, payloads_of
from helios.codec import EncryptionCodec
from helios.crypto import Keys
from helios.database import Database
from helios.frames import connect as connect_frames
from helios.frames import names
from helios.keyring import Keyring
from helios.kms import root_of
from helios.settings import Settings
from helios.temporal import connect
from schema.steps import conversation_workflow_id

CPU_S = 1.0
"""For how long each of the two is repeated."""
SEALED_COLUMNS = (
    "SELECT table_name, array_agg(column_name::text) AS columns FROM information_schema.columns "
    "WHERE table_schema = 'public' AND column_name LIKE '%\\_ct' AND table_name IN ("
    "SELECT table_name FROM information_schema.columns WHERE column_name = 'conversation_id') GROUP BY table_name"
)


@dataclass(frozen=True, slots=True)
class Encryption:
    """Per turn: how many payloads and other sealed values (columns, frames), their bytes, and ms of CPU on and off."""

    turns: int
    payloads: float
    values: float
    sealed_bytes: float
    on_ms: float
    off_ms: float


class _Plain(PayloadCodec):
    """What the SDK would do without a codec: a payload becomes bytes and a payload again."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload(data=payload.SerializeToString()) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload.FromString(payload.data) for payload in payloads]


async def measure_encryption(stack: Stack, turns: int) -> Encryption:
    config = Settings(
        postgres_dsn=stack.env["HELIOS_POSTGRES_DSN"],
        root_key=stack.env["HELIOS_ROOT_KEY"],
        temporal_address=stack.env["HELIOS_TEMPORAL_ADDRESS"],
        redis_url=stack.env["HELIOS_REDIS_URL"],
    )
    database = Database(config.postgres_dsn.get_secret_value(), pool_size=2)
    keyring = Keyring(root_of(config), database)
    (talk,) = await stack.talks(1)
    async with child("benchmarks.driver", "workflow", env=stack.env) as driver:
        await driver.hear("ready")
        for _ in range(turns):
            await load([driver], [talk], 0.0, 0.001, {}, None)
    tenant_id, conversation_id = UUID(talk.tenant_id), UUID(talk.conversation_id)
    client = await connect(config, keyring)
    histories, _ = await histories_of(client, talk.tenant_id, talk.conversation_id)
    plain = await EncryptionCodec(keyring).decode(payloads_of(histories))
    sizes = await _column_sizes(stack, conversation_id) + await _frame_sizes(config, tenant_id, conversation_id)
    workflow_id = conversation_workflow_id(tenant_id, conversation_id)
    context = WorkflowSerializationContext(namespace=client.namespace, workflow_id=workflow_id)
    codec, keys = (
        EncryptionCodec(keyring).with_context(context),
        await keyring.customer(tenant_id, UUID(talk.customer_id)),
    )
    values = [os.urandom(size) for size in sizes]
    on = await _cpu_ms(lambda: _with(codec, plain, values, keys))
    off = await _cpu_ms(lambda: _with(_Plain(), plain, values, None))
    await database.close()
    every = sum(sizes) + sum(payload.ByteSize() for payload in plain)
    return Encryption(turns, len(plain) / turns, len(sizes) / turns, every / turns, on / turns, off / turns)


async def _with(codec: PayloadCodec, plain: Sequence[Payload], values: Sequence[bytes], keys: Keys | None) -> None:
    """Each payload as a message of its own, as the SDK hands them over."""
    for payload in plain:
        await codec.decode(await codec.encode([payload]))
    for value in values:
        if keys is not None:
            row = uuid4()
            keys.open(keys.seal(value, "bench.value_ct", row), "bench.value_ct", row)


async def _cpu_ms(work: Callable[[], Awaitable[None]]) -> float:
    """Of one run, on the average of as many as `CPU_S` takes; the first one warms up."""
    await work()
    began, runs = time.process_time(), 0
    while not runs or time.process_time() - began < CPU_S:
        await work()
        runs += 1
    return 1000 * (time.process_time() - began) / runs


async def _column_sizes(stack: Stack, conversation_id: UUID) -> list[int]:
    """Bytes of every sealed value of the conversation's rows."""
    sizes: list[int] = []
    for table in await stack.query(SEALED_COLUMNS):
        for column in table["columns"]:
            sized = f"SELECT octet_length({column}) AS size FROM {table['table_name']} WHERE conversation_id = $1"
            rows = await stack.query(f"{sized} AND {column} IS NOT NULL", conversation_id)
            sizes += [row["size"] for row in rows]
    return sizes


async def _frame_sizes(config: Settings, tenant_id: UUID, conversation_id: UUID) -> list[int]:
    valkey = connect_frames(config.redis_url.get_secret_value())
    entries: Any = await valkey.xrange(names(tenant_id, conversation_id)[0])
    await valkey.aclose()
    return [len(fields[b"f"]) for _, fields in entries]
