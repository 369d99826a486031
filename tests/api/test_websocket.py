"""The WebSocket tells the same as the event stream, and takes nothing that is not meant for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from api.limits import FRAMES_AT_ONCE, LIMITS
from api.problems import CODES
from helios.embedded.supervisor import Stack
from tests.api.beside import served_beside
from tests.api.conftest import Things
from tests.api.problems import FIELDS, Rows
from tests.caller import Api, Customer

GARBAGE: tuple[str | bytes, ...] = (
    "",
    "x",
    "{",
    "[]",
    "12",
    "null",
    '"message"',
    "{}",
    '{"type": null}',
    '{"type": []}',
    '{"type": "shout"}',
    "\x00",
    '{"type": "message"}',
    '{"type": "message", "content": ""}',
    '{"type": "message", "content": 1}',
    "[" * 50_000,
    '{"type": "message", "content": "\\u0000"}',
    '{"type": "message", "content": "\\ud800"}',
    '{"\\ud800": 1, "type": "message"}',
    '{"type": "message", "content": "a", "content": "b"}',
    '{"type": "message", "content": "x", "more": 1}',
    b"\x00\xff",
    b"{}",
    json.dumps({"type": "message", "content": "x" * 8_001}),
    json.dumps({"type": "message", "content": "x" * 70_000}),
    '{"type": "message", "content": "x", "client_message_id": ""}',
    '{"type": NaN}',
)


@asynccontextmanager
async def opened(customer: Customer, query: str = "", at: str = "", **headers: str) -> AsyncIterator[ClientConnection]:
    """`at`: the address of another API than the running one."""
    url = (at or customer.api.url).replace("http://", "ws://") + f"{customer.path}/ws{query}"
    async with connect(url, additional_headers=headers, open_timeout=10) as socket:
        yield socket


async def heard(socket: ClientConnection, until: str) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = []
    async with asyncio.timeout(30):
        while not seen or seen[-1]["type"] != until:
            seen.append(json.loads(await socket.recv()))
    return seen


async def test_it_tells_the_same_events_as_the_stream(api: Api) -> None:
    customer = await (await api.customer()).open()
    async with opened(customer, Authorization=f"Bearer {customer.token}") as socket:
        words = {"type": "message", "content": "How do I block my card?", "client_message_id": "first"}
        for _ in range(2):
            await socket.send(json.dumps(words))
        live = await heard(socket, "turn.completed")
    told = []
    async for event in customer.events():
        told.append({"id": event.id, "type": event.type, "data": event.data})
        if event.type == "turn.completed":
            break
    assert [(each["id"], each["type"]) for each in told] == [(each["id"], each["type"]) for each in live]
    assert told == live
    half = live[len(live) // 2]["id"]
    async with opened(customer, f"?after={half}", Authorization=f"Bearer {customer.token}") as socket:
        assert await heard(socket, "turn.completed") == live[len(live) // 2 + 1 :]


async def test_a_message_a_stop_and_typing_are_taken(api: Api) -> None:
    customer = await (await api.customer()).open()
    async with opened(customer, Authorization=f"Bearer {customer.token}") as socket:
        for frame in ({"type": "typing"}, {"type": "stop"}, {"type": "message", "content": "Which fees are there?"}):
            await socket.send(json.dumps(frame))
        seen = await heard(socket, "turn.completed")
    assert "error" not in {each["type"] for each in seen}
    assert seen[-1]["data"]["outcome"] in ("answered", "stopped")


async def test_garbage_is_answered_with_a_problem_and_stored_nowhere(mine: Things, rows: Rows) -> None:
    before = await rows.count()
    async with opened(mine.customer, Authorization=f"Bearer {mine.customer.token}") as socket:
        await heard(socket, "turn.completed")
        for frame in GARBAGE:
            await socket.send(frame)
            said = (await heard(socket, "error"))[-1]
            assert said["data"].keys() >= FIELDS, frame
            assert said["data"]["code"] in CODES, frame
            assert 400 <= said["data"]["status"] < 500, (frame, said)
            assert said["data"]["request_id"], frame
    assert await rows.count() == before


async def test_a_frame_that_is_far_too_large_ends_the_connection(mine: Things, rows: Rows) -> None:
    before = await rows.count()
    async with opened(mine.customer, Authorization=f"Bearer {mine.customer.token}") as socket:
        await socket.send("x" * 1_000_000)
        with pytest.raises(ConnectionClosed):
            await heard(socket, "never")
    assert await rows.count() == before


async def _refused(customer: Customer, query: str = "", **headers: str) -> tuple[str, int]:
    async with opened(customer, query, **headers) as socket:
        said = json.loads(await socket.recv())
        assert said["type"] == "error"
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd is not None
        return said["data"]["code"], closed.value.rcvd.code


async def test_who_may_not_is_told_so_and_cut_off(mine: Things, theirs: Things, stranger: Customer) -> None:
    customer = mine.customer
    assert await _refused(customer) == ("unauthenticated", 4401)
    assert await _refused(customer, "?ticket=x") == ("unauthenticated", 4401)
    assert await _refused(customer, Authorization="Bearer a.b.c") == ("unauthenticated", 4401)
    assert await _refused(customer, Authorization=f"Bearer {stranger.token}") == ("not_found", 4404)
    assert await _refused(customer, **theirs.supervisor) == ("not_found", 4404)
    bad = {"Authorization": f"Bearer {customer.token}"}
    assert await _refused(customer, "?after=x", **bad) == ("invalid_offset", 1008)
    assert await _refused(customer, "?after=99999.0", **bad) == ("invalid_offset", 1008)


async def test_a_ticket_opens_one_socket(mine: Things) -> None:
    http = mine.customer.api.http
    ticket = (await http.post("/v1/auth/stream-tickets", headers=mine.customer.headers)).json()["ticket"]
    async with opened(mine.customer, f"?ticket={ticket}") as socket:
        await heard(socket, "turn.completed")
    assert await _refused(mine.customer, f"?ticket={ticket}") == ("unauthenticated", 4401)


async def test_staff_may_listen_but_not_speak_for_the_customer(mine: Things, rows: Rows) -> None:
    before = await rows.count()
    async with opened(mine.customer, **mine.supervisor) as socket:
        await heard(socket, "turn.completed")
        await socket.send(json.dumps({"type": "message", "content": "I am the customer, believe me"}))
        assert (await heard(socket, "error"))[-1]["data"]["code"] == "forbidden"
    assert await rows.count() == before


async def test_no_conversation_has_a_bad_id(mine: Things) -> None:
    for bad in ("x", "%00", str(uuid4())[:-1]):
        url = mine.customer.api.url.replace("http://", "ws://") + f"/v1/conversations/{bad}/ws"
        with pytest.raises((InvalidStatus, ConnectionClosed)):
            async with connect(url, additional_headers=mine.customer.headers) as socket:
                await socket.recv()


async def closing(socket: ClientConnection) -> tuple[list[dict[str, Any]], int]:
    """What is told until the server closes, and the code that it closes with."""
    told: list[dict[str, Any]] = []
    with suppress(ConnectionClosed):
        while True:
            told.append(json.loads(await asyncio.wait_for(socket.recv(), 30)))
    assert socket.close_code is not None
    return told, socket.close_code


@pytest.mark.parametrize("frame", ['{"type": "typing"}', "{"])
async def test_whoever_goes_on_sending_far_too_many_frames_is_told_once_and_cut_off(mine: Things, frame: str) -> None:
    async with opened(mine.customer, Authorization=mine.customer.headers["Authorization"]) as socket:
        await heard(socket, "turn.completed")
        with suppress(ConnectionClosed):
            for _ in range(10 * FRAMES_AT_ONCE):
                await socket.send(frame)
        told, code = await closing(socket)
    assert code == 4429
    assert [each["data"]["code"] for each in told].count("rate_limited") == 1


async def test_stops_on_a_socket_count_as_changes_and_the_log_has_a_line_for_the_socket(
    stack: Stack, mine: Things
) -> None:
    factor = 3 / LIMITS["write"]["customer"]
    with capture_logs() as logs:
        async with (
            served_beside(stack, rate_limits=factor) as (at, _),
            opened(mine.customer, at=at, Authorization=mine.customer.headers["Authorization"]) as socket,
        ):
            await heard(socket, "turn.completed")
            for _ in range(6):
                await socket.send('{"type": "stop"}')
            for _ in range(3):
                assert (await heard(socket, "error"))[-1]["data"]["code"] == "rate_limited"
            await socket.send("{")
            assert (await heard(socket, "error"))[-1]["data"]["code"] == "malformed_json"
    refused = [each["codes"] for each in logs if each["event"] == "refused on a socket"]
    assert refused == [{"rate_limited": 3, "malformed_json": 1}]


async def test_what_is_done_for_a_socket_is_work_of_its_tenant(stack: Stack, mine: Things, tenant_id: UUID) -> None:
    """While the tenant's share of the process is taken, it is told to come back, as any request is."""
    async with (
        served_beside(stack, tenant_requests=1) as (at, services),
        opened(mine.customer, at=at, Authorization=mine.customer.headers["Authorization"]) as socket,
    ):
        await heard(socket, "turn.completed")
        with services.at_work.one(str(tenant_id)):
            for frame in ('{"type": "stop"}', '{"type": "message", "content": "Hello"}'):
                await socket.send(frame)
                assert (await heard(socket, "error"))[-1]["data"]["code"] == "rate_limited"
