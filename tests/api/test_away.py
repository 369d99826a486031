"""PostgreSQL hangs or is gone: a 503 within 3 s, with a time to try again, and everything works when it is back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest
from pydantic import SecretStr

from api.app import create_app
from api.problems import MEDIA_TYPE
from helios.embedded.supervisor import Stack
from helios.settings import Settings
from tests.api.conftest import Things


class Wire:
    """A line to a server that can be held: bytes stop, connections stay open; or cut."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._open = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def __aenter__(self) -> Wire:
        self._open.set()
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._open.set()
        self._server.close()
        self.cut()

    def hold(self) -> None:
        self._open.clear()

    def let_go(self) -> None:
        self._open.set()

    def cut(self) -> None:
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(*self._target)
        self._writers |= {writer, there_writer}
        pumps = [asyncio.create_task(self._pump(*each)) for each in ((reader, there_writer), (there_reader, writer))]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        for each in (writer, there_writer):
            self._writers.discard(each)
            each.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            return


@pytest.fixture
async def wire(stack: Stack) -> AsyncIterator[Wire]:
    address = urlsplit(stack.servers.app_dsn)
    async with Wire(address.hostname or "", address.port or 0) as made:
        yield made


@pytest.fixture
async def beside(stack: Stack, wire: Wire) -> AsyncIterator[httpx.AsyncClient]:
    """An API in this process, whose only way to PostgreSQL is the wire."""
    servers = stack.servers
    address = urlsplit(servers.app_dsn)
    dsn = urlunsplit(address._replace(netloc=address.netloc.rsplit(":", 1)[0] + f":{wire.port}"))
    config = Settings(
        postgres_dsn=SecretStr(dsn),
        redis_url=SecretStr(servers.redis_url),
        temporal_address=servers.temporal_address,
        temporal_namespace=servers.temporal_namespace,
        root_key=SecretStr(servers.keys.root_key),
        token_key=SecretStr(servers.keys.token_key),
        postgres_pool_size=2,
    )
    app = create_app(config)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://beside") as client,
    ):
        yield client


def requests(client: httpx.AsyncClient, mine: Things, api_key: str) -> list[httpx.Request]:
    """One of each kind: reading, writing, with a key, signing in, and looking whether all is well."""
    headers, path = mine.customer.headers, mine.customer.path
    return [
        client.build_request("GET", path, headers=headers),
        client.build_request("GET", f"{path}/messages", headers=headers),
        client.build_request("GET", f"{path}/events", headers=headers),
        client.build_request("POST", f"{path}/messages", headers=headers, json={"content": "Hello"}),
        client.build_request("POST", "/v1/conversations", headers={**headers, "Idempotency-Key": "k"}, json={}),
        client.build_request("POST", "/v1/customer-tokens", headers={"X-API-Key": api_key}, json={"external_id": "x"}),
        client.build_request(
            "POST", "/v1/auth/login", json={"tenant": "meridian", "email": "a@b.c", "password": "x" * 12}
        ),
        client.build_request("GET", "/readyz"),
    ]


async def assert_away(client: httpx.AsyncClient, request: httpx.Request) -> None:
    began = time.monotonic()
    answer = await client.send(request)
    took_s = time.monotonic() - began
    seen = (request.method, request.url.path, round(took_s, 2), answer.text[:200])
    assert answer.status_code == 503, seen
    assert answer.headers["content-type"] == MEDIA_TYPE, seen
    assert answer.json()["code"] == "dependency_unavailable", seen
    assert int(answer.headers["retry-after"]) >= 1, seen
    assert took_s < 3, seen


@pytest.mark.parametrize("how", ["held", "gone"])
async def test_a_503_within_three_seconds(beside: httpx.AsyncClient, wire: Wire, mine: Things, how: str) -> None:
    api_key = str(mine.customer.api.demo["api_key"])
    warm = await beside.get(f"{mine.customer.path}/messages", headers=mine.customer.headers)
    assert warm.status_code == 200
    wire.hold()
    if how == "gone":
        wire.cut()
    await asyncio.gather(*(assert_away(beside, request) for request in requests(beside, mine, api_key)))
    await assert_away(beside, requests(beside, mine, api_key)[0])
    wire.let_go()
    async with asyncio.timeout(10):
        while (await beside.get(mine.customer.path, headers=mine.customer.headers)).status_code != 200:
            await asyncio.sleep(0.1)
