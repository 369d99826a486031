"""What Valkey holds of a tenant is named by it and sealed with its key."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis

from helios.crypto import CryptoError
from helios.embedded.supervisor import Stack
from helios.frames import Frames, connect, names, open_frame
from helios.keyring import Keyring
from tests.caller import Api
from tests.neighbour import Neighbour

NAMED = (
    r"helios:\{(?P<tenant>[0-9a-f-]{36})/[0-9a-f-]{36}\}:(frames|head)",
    r"helios:workers.*",
    r"helios:sso-(state|code):(?P<tenant>[0-9a-f-]{36}):[0-9a-f]{64}",
    r"helios:ticket:(?P<tenant>[0-9a-f-]{36}):[0-9a-f]{64}",
    r"helios:sign-in:\{[^}]+\}.*",
    r"helios:limit.*",
    r"helios:ticket_clocks",
    r"helios:semantic_cache",
    r"helios:round:[a-z-]+",
)
"""Sign-ins are named by hashes; limits, workers, rounds, clocks and the cache hold counts and times only."""


@pytest.fixture
async def valkey(stack: Stack) -> AsyncIterator[Redis]:
    opened = connect(stack.servers.redis_url)
    yield opened
    await opened.aclose()


async def test_a_frame_belongs_to_its_tenant_and_opens_for_nobody_else(
    api: Api, valkey: Redis, keyring: Keyring, tenant_id: UUID, neighbour: Neighbour
) -> None:
    customer = await (await api.customer()).open()
    assert (await customer.say("What does a replacement card cost?")).json()["outcome"] == "answered"
    conversation = UUID(customer.conversation)
    own, other = await keyring.conversation(tenant_id, conversation), await keyring.tenant(neighbour.tenant_id)
    entries: Any = await valkey.xrange(names(tenant_id, conversation)[0])
    assert entries
    for name, data in entries:
        number = int(name.split(b"-")[0])
        text = open_frame(own, conversation, number, data[b"f"]).text
        assert text.encode() not in data[b"f"] or not text
        with pytest.raises(CryptoError):
            open_frame(other, conversation, number, data[b"f"])
    assert await Frames(valkey).between(other, conversation, 0) == []


async def test_every_key_is_of_a_known_kind_and_names_its_tenant(
    api: Api, valkey: Redis, tenant_id: UUID, neighbour: Neighbour
) -> None:
    customer = await (await api.customer()).open()
    await customer.say("What does a replacement card cost?")
    tenants = set()
    async for key in valkey.scan_iter(match="*", count=1_000):
        known = next((found for each in NAMED if (found := re.fullmatch(each, key.decode()))), None)
        assert known is not None, key.decode()
        tenants |= set(known.groupdict().values())
    assert str(tenant_id) in tenants


async def test_a_ticket_is_named_by_its_tenant_and_a_hash_and_holds_nothing_readable(
    api: Api, valkey: Redis, tenant_id: UUID
) -> None:
    customer = await api.customer()
    ticket = (await api.http.post("/v1/auth/stream-tickets", headers=customer.headers)).json()["ticket"]
    held: dict[str, Any] = {
        key.decode(): await valkey.get(key) async for key in valkey.scan_iter(f"helios:ticket:{tenant_id}:*")
    }
    assert held
    for key, value in held.items():
        assert ticket.partition(".")[2] not in key
        assert b"customer" not in value
        assert customer.id.encode() not in value
