"""Reading server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from helios.llm.events import EventStream


class Body:
    """A response whose body comes in given parts."""

    def __init__(self, *parts: bytes) -> None:
        self.parts = parts
        self.closed = False

    async def iter_bytes(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            yield part

    async def close(self) -> None:
        self.closed = True


async def read(*parts: bytes) -> list[dict[str, Any]]:
    return [event async for event in EventStream(Body(*parts))]


STREAM = (
    ': hello\r\n\r\nevent: x\r\ndata: {"a": "ü\u2028\x85"}\r\n\r\ndata:{"b":\ndata: 2}\nid: 7\n\ndata: [DONE]\n\n'
).encode()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
async def test_events_are_the_same_wherever_the_network_cuts_them(size: int) -> None:
    parts = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    assert await read(*parts) == [{"a": "ü\u2028\x85"}, {"b": 2}]


async def test_an_event_without_its_end_is_none() -> None:
    assert await read(b'data: {"a": 1}\n\ndata: {"b": 2}\n') == [{"a": 1}]


@pytest.mark.parametrize("payload", [b"[1]", b"null", b"text", b'{"a":', b"\xff", b"[" * 100_000])
async def test_what_is_no_object_is_an_error(payload: bytes) -> None:
    with pytest.raises((ValueError, TypeError, RecursionError)):
        await read(b"data: " + payload + b"\n\n")


async def test_closing_closes_the_response() -> None:
    body = Body()
    await EventStream(body).close()
    assert body.closed
