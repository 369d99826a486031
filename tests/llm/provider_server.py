"""A local server that speaks the providers' wire protocols, well or badly.

`python -m tests.llm.provider_server --scenario typing` runs it as a process of its own and prints one JSON line,
{"port", "openai_base_url", "anthropic_base_url"}; `async with provider_server("answer")` runs it in the test's loop.

GET /control    → {"requests": [{provider, headers, body, disconnected, written}], "open_connections"}
POST /control   {"scenario": S} or {"openai": S, "anthropic": S}, {"clear": true} forgets the requests
A scenario S is a name of provider_wire.SCENARIOS or an object with Scenario's fields (and a `name` to start from).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from tests.llm.provider_wire import Provider, Scenario, error_body, error_event, sign_of_life, wire

STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
PATHS: dict[str, Provider] = {"/v1/chat/completions": "openai", "/v1/messages": "anthropic"}


@dataclass
class Request:
    """One request that reached the server. Its keys are fake: headers are kept whole."""

    provider: Provider
    headers: dict[str, str]
    body: dict[str, Any]
    raw: bytes
    disconnected: bool = False
    """The client hung up before the response was over."""
    written: list[float] = field(default_factory=list)
    """When each piece of text was written, by the machine's monotonic clock, which all its processes share."""

    @property
    def text(self) -> str:
        """Every word of the request, for tests of what must not leave the house."""
        return json.dumps(self.body, ensure_ascii=False)


@dataclass
class ProviderServer:
    """The server's state; scenarios may be replaced while it runs."""

    port: int = 0
    scenarios: dict[Provider, Scenario] = field(default_factory=dict)
    requests: deque[Request] = field(default_factory=lambda: deque(maxlen=1000))
    served: dict[Provider, int] = field(default_factory=lambda: {"openai": 0, "anthropic": 0})
    connections: set[_Connection] = field(default_factory=set)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def openai_base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def anthropic_base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def play(self, scenario: str | Scenario | dict[str, Any], provider: Provider | None = None) -> None:
        """Behave so from the next request on, towards one provider's clients or both."""
        parsed = scenario if isinstance(scenario, Scenario) else Scenario.parse(scenario)
        for name in (provider,) if provider else PATHS.values():
            self.scenarios[name] = parsed
            self.served[name] = 0

    def scenario_of(self, provider: Provider) -> Scenario:
        """The scenario of a provider's next request."""
        scenario = self.scenarios[provider]
        self.served[provider] += 1
        if scenario.times is not None and self.served[provider] > scenario.times:
            return Scenario(text=scenario.text, delay_s=scenario.delay_s, cached_tokens=scenario.cached_tokens)
        return scenario

    def notify(self) -> None:
        """Wake whoever waits for something to happen here."""
        self.changed.set()
        self.changed = asyncio.Event()

    async def wait_for(self, condition: Callable[[ProviderServer], bool], timeout_s: float = 5.0) -> None:
        """Return once the condition holds; TimeoutError if it does not in time."""
        async with asyncio.timeout(timeout_s):
            while not condition(self):
                await self.changed.wait()

    def control(self, body: dict[str, Any]) -> None:
        """What POST /control asks for."""
        if body.get("clear"):
            self.requests.clear()
        if "scenario" in body:
            self.play(body["scenario"])
        for provider in PATHS.values():
            if provider in body:
                self.play(body[provider], provider)


class _Connection(asyncio.Protocol):
    """One HTTP/1.1 connection: requests one after the other, each answered by a task that dies with the connection."""

    def __init__(self, server: ProviderServer) -> None:
        self.server = server
        self.buffer = b""
        self.task: asyncio.Task[None] | None = None
        self.request: Request | None = None
        self.transport: asyncio.Transport
        self.writable = asyncio.Event()
        self.writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.connections.discard(self)
        if self.task is not None and not self.task.done():
            if self.request is not None:
                self.request.disconnected = True
            self.task.cancel()
        self.server.notify()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.task is None:
            self._next_request()

    def _next_request(self) -> None:
        head, separator, rest = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return
        self.buffer = rest[length:]
        method, target, _ = first.split(" ", 2)
        self.task = asyncio.ensure_future(self._answer(method, target.partition("?")[0], headers, rest[:length]))
        self.task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self.task = self.request = None
        if task.cancelled():
            return
        task.result()
        if not self.transport.is_closing():
            self._next_request()

    async def _answer(self, method: str, path: str, headers: dict[str, str], raw: bytes) -> None:
        server = self.server
        if path == "/control":
            self._control(method, raw)
        elif method == "POST" and (provider := PATHS.get(path)):
            body = json.loads(raw)
            self.request = Request(provider, headers, body, raw)
            server.requests.append(self.request)
            server.notify()
            await self._play(self.request, server.scenario_of(provider))
        else:
            self._respond(404, b'{"error":{"message":"no such path"}}')

    def _control(self, method: str, raw: bytes) -> None:
        try:
            if method == "POST":
                self.server.control(json.loads(raw))
        except (ValueError, KeyError, TypeError) as error:
            self._respond(400, json.dumps({"error": repr(error)}).encode())
            return
        seen = [
            {
                "provider": r.provider,
                "headers": r.headers,
                "body": r.body,
                "disconnected": r.disconnected,
                "written": r.written,
            }
            for r in self.server.requests
        ]
        state = {"requests": seen, "open_connections": len(self.server.connections)}
        self._respond(200, json.dumps(state, ensure_ascii=False).encode())

    def _respond(
        self, status: int, body: bytes, headers: tuple[tuple[str, str], ...] = (), kind: str = "application/json"
    ) -> None:
        extra = "".join(f"{name}: {value}\r\n" for name, value in headers)
        head = f"HTTP/1.1 {status} Status\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
        self.transport.write(head.encode() + body)

    async def _play(self, request: Request, scenario: Scenario) -> None:
        provider = request.provider
        if scenario.first_delay_s:
            await asyncio.sleep(scenario.first_delay_s)
        if refused := [name for name in scenario.refuse if name in request.body]:
            said = f"Unsupported parameter: '{refused[0]}'" if scenario.refuse_in_words else "Bad request"
            self._respond(400, error_body(provider, 400, said=said))
        elif scenario.kind in _WITHOUT_STREAM:
            await _WITHOUT_STREAM[scenario.kind](self, request, scenario)
        else:
            await self._stream(request, scenario)

    def chunk(self, data: bytes) -> None:
        """Send one chunk of a chunked response."""
        self.transport.write(b"%x\r\n%s\r\n" % (len(data), data))

    async def drained(self) -> None:
        """Return once the client has read most of what was sent."""
        await asyncio.sleep(0)
        await self.writable.wait()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    async def _stream(self, request: Request, scenario: Scenario) -> None:
        events = wire(request.provider, request.body, scenario, input_tokens=len(request.raw) // 4)
        if scenario.kind in ("answer", "blank") and not scenario.delay_s:
            # One write: a benchmark measures its own side, not ours.
            data = events.opening + b"".join(events.pieces) + events.closing
            request.written = [time.monotonic()] * len(events.pieces)
            self.transport.write(STREAM_HEAD + b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data))
            return
        self.transport.write(STREAM_HEAD)
        self.chunk(events.opening)
        whole = scenario.kind in ("answer", "blank")
        for piece in events.pieces if whole else events.pieces[: scenario.after]:
            if scenario.delay_s:
                await asyncio.sleep(scenario.delay_s)
            request.written.append(time.monotonic())
            self.chunk(piece)
        if whole:
            self.chunk(events.closing)
        else:
            await _MISBEHAVIOUR[scenario.kind](self, request.provider, scenario, events.pieces)
        self.transport.write(b"0\r\n\r\n")


async def _status(connection: _Connection, request: Request, scenario: Scenario) -> None:
    body = error_body(request.provider, scenario.status, scenario.error)
    connection._respond(scenario.status, body, scenario.headers)


async def _hang(*_: Any) -> None:
    await asyncio.Event().wait()


async def _drop(connection: _Connection, *_: Any) -> None:
    connection.transport.close()


async def _slow_headers(connection: _Connection, *_: Any) -> None:
    connection.transport.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        connection.transport.write(b"a")
        await asyncio.sleep(0.05)


async def _html(connection: _Connection, *_: Any) -> None:
    connection._respond(200, b"<!doctype html>\n<title>Sign in</title>\n\n<p>data: proxy\n\n", kind="text/html")


async def _one_document(connection: _Connection, *_: Any) -> None:
    connection._respond(200, b'{"id":"1","choices":[{"message":{"content":"Hello."}}]}')


async def _empty(connection: _Connection, *_: Any) -> None:
    connection._respond(200, b"", kind="text/event-stream")


async def _redirect(connection: _Connection, _request: Request, scenario: Scenario) -> None:
    connection._respond(307, b"", (("Location", scenario.location),))


async def _chatter(connection: _Connection, provider: Provider, *_: Any) -> None:
    while True:
        connection.chunk(sign_of_life(provider))
        await asyncio.sleep(0.02)


async def _cut(connection: _Connection, _provider: Provider, scenario: Scenario, pieces: tuple[bytes, ...]) -> None:
    piece = pieces[min(scenario.after, len(pieces) - 1)]
    connection.transport.write(b"%x\r\n%s" % (len(piece), piece[: len(piece) // 2]))
    connection.transport.close()


async def _end_early(*_: Any) -> None:
    return


async def _garbage(connection: _Connection, *_: Any) -> None:
    connection.chunk(b"event: content_block_delta\ndata: {not json \xff\n\n")


async def _wrong_shape(connection: _Connection, *_: Any) -> None:
    shape = {"type": "content_block_delta", "delta": ["SECRET-WORDS"], "choices": [{"delta": {"content": {"a": 1}}}]}
    connection.chunk(b"event: content_block_delta\ndata: %s\n\n" % json.dumps(shape).encode())


async def _huge(connection: _Connection, _provider: Provider, _scenario: Scenario, pieces: tuple[bytes, ...]) -> None:
    while True:
        await connection.drained()
        connection.chunk(pieces[0] * 200)


async def _endless(connection: _Connection, *_: Any) -> None:
    connection.chunk(b"data: ")
    while True:
        await connection.drained()
        connection.chunk(b"a" * 500_000)


async def _error_event(connection: _Connection, provider: Provider, scenario: Scenario, _pieces: Any) -> None:
    connection.chunk(error_event(provider, scenario.error))


_WITHOUT_STREAM: dict[str, Callable[[_Connection, Request, Scenario], Awaitable[None]]] = {
    "status": _status,
    "hang": _hang,
    "drop": _drop,
    "slow_headers": _slow_headers,
    "html": _html,
    "json": _one_document,
    "empty": _empty,
    "redirect": _redirect,
}
_MISBEHAVIOUR: dict[str, Callable[[_Connection, Provider, Scenario, tuple[bytes, ...]], Awaitable[None]]] = {
    "hang_mid": _hang,
    "chatter": _chatter,
    "cut": _cut,
    "end_early": _end_early,
    "garbage": _garbage,
    "wrong_shape": _wrong_shape,
    "huge": _huge,
    "endless": _endless,
    "error_event": _error_event,
}


@asynccontextmanager
async def provider_server(
    scenario: str | Scenario | dict[str, Any] = "answer", port: int = 0
) -> AsyncIterator[ProviderServer]:
    """Serve on 127.0.0.1 in this event loop; port 0: a free one."""
    state = ProviderServer()
    state.play(scenario)
    listener = await asyncio.get_running_loop().create_server(lambda: _Connection(state), "127.0.0.1", port)
    state.port = listener.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        listener.close()
        for connection in tuple(state.connections):
            connection.transport.abort()
        await state.wait_for(lambda s: not s.connections)
        await listener.wait_closed()


async def _main(scenario: Any, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with provider_server(scenario, port) as server:
        addresses = {"openai_base_url": server.openai_base_url, "anthropic_base_url": server.anthropic_base_url}
        print(json.dumps({"port": server.port, **addresses}), flush=True)
        await stop.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A local server that speaks the providers' wire protocols")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--scenario", default="answer", help="a name of provider_wire.SCENARIOS, or a JSON object")
    arguments = parser.parse_args()
    chosen = arguments.scenario
    with suppress(KeyboardInterrupt):
        asyncio.run(_main(json.loads(chosen) if chosen.startswith("{") else chosen, arguments.port))
