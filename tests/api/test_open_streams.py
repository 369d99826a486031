"""Streams and sockets that are open at once have an end, and those of others are not counted."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from uuid import UUID, uuid4

import httpx

from api.limits import OPEN_STREAMS
from helios.embedded.supervisor import Stack
from helios.tokens import Identity
from tests.api.beside import served_beside
from tests.api.conftest import Things
from tests.api.problems import assert_problem
from tests.api.test_websocket import closing, opened


async def follow(client: httpx.AsyncClient, path: str, headers: dict[str, str], until: AsyncExitStack) -> int:
    """Opens a stream that stays; its status."""
    answer = await until.enter_async_context(client.stream("GET", f"{path}/events", headers=headers))
    return answer.status_code


async def test_a_customer_has_so_many_streams_and_sockets_open_and_the_next_when_one_is_closed(
    stack: Stack, mine: Things, theirs: Things
) -> None:
    customer = mine.customer
    async with (
        served_beside(stack) as (at, _),
        httpx.AsyncClient(base_url=at, timeout=30) as client,
        AsyncExitStack() as streams,
    ):
        async with opened(customer, at=at, **customer.headers) as socket:
            await socket.recv()
            for _ in range(OPEN_STREAMS["customer"] - 1):
                assert await follow(client, customer.path, customer.headers, streams) == 200
            refused = await client.get(f"{customer.path}/events", headers=customer.headers)
            assert_problem(refused, 429, code="too_many_streams")
            assert int(refused.headers["retry-after"]) >= 1
            async with opened(customer, at=at, **customer.headers) as another:
                told, code = await closing(another)
            assert ([each["data"]["code"] for each in told], code) == (["too_many_streams"], 4429)
            assert await follow(client, theirs.customer.path, theirs.customer.headers, streams) == 200
            assert await follow(client, customer.path, mine.supervisor, streams) == 200
        async with asyncio.timeout(10):
            while await follow(client, customer.path, customer.headers, streams) != 200:
                await asyncio.sleep(0.05)


async def test_a_message_whose_answer_is_a_stream_is_not_taken_where_there_is_no_room(
    stack: Stack, mine: Things, tenant_id: UUID
) -> None:
    customer = mine.customer
    identity = Identity(tenant_id, UUID(customer.id), "customer", frozenset({"customer"}), UUID(customer.id))
    before = len(await customer.messages())
    async with (
        served_beside(stack, tenant_streams=1) as (at, services),
        httpx.AsyncClient(base_url=at, headers=customer.headers, timeout=30) as client,
    ):
        with services.open_streams.one(identity):
            refused = await client.post(
                f"{customer.path}/messages",
                content=json.dumps({"content": "Hello", "client_message_id": str(uuid4())}),
                headers={"Accept": "text/event-stream", "Content-Type": "application/json"},
            )
    assert_problem(refused, 429, code="too_many_streams")
    assert len(await customer.messages()) == before


async def test_a_tenants_streams_are_counted_together_and_no_other_tenants(
    stack: Stack, mine: Things, theirs: Things
) -> None:
    async with (
        served_beside(stack, tenant_streams=1) as (at, _),
        httpx.AsyncClient(base_url=at, timeout=30) as client,
        AsyncExitStack() as streams,
    ):
        path = mine.customer.path
        assert await follow(client, path, mine.customer.headers, streams) == 200
        assert_problem(await client.get(f"{path}/events", headers=mine.supervisor), 429, code="too_many_streams")
        assert await follow(client, theirs.customer.path, theirs.customer.headers, streams) == 200
