"""The connection under the API: an end to heads that are too long or too slow, before anything of ours sees them.

uvicorn's fast parser has no limit for either: one connection could hold memory, many slow ones every file handle.
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.problems import MEDIA_TYPE, Problem
from helios.ids import new_id

URL_MAX = 16 * 1024
HEAD_MAX = 32 * 1024
HEAD_WITHIN_S = 10.0


class Connection(HttpToolsProtocol):
    """One client's connection. Refusals at this level are problems too, and end it."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._in_head = True
        self._head_size = 0
        self._refusal = "malformed_request"
        self._waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # A part of a head that has no end yet is not told by the parser: it is counted as it comes.
        if self._in_head and not self.transport.is_closing():
            self._head_size += len(data)
            if self._head_size > HEAD_MAX:
                self._refuse("headers_too_large")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_size = True, 0
        if self._waiting is None:
            self._wait_for_head()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > URL_MAX:
            self._refusal = "uri_too_long"
            raise ValueError(self._refusal)

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._head_size += len(name) + len(value)
        if self._head_size > HEAD_MAX:
            self._refusal = "headers_too_large"
            raise ValueError(self._refusal)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """Whatever the parser does not take. Its own words may quote what was sent."""
        self._refuse(self._refusal)

    def _wait_for_head(self) -> None:
        self._waiting = self.loop.call_later(HEAD_WITHIN_S, self._refuse, "request_timeout")

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _refuse(self, code: str) -> None:
        self._stop_waiting()
        if self.transport.is_closing():
            return
        # Between an answer's parts there is no place for another one.
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(answer(Problem(code)))
        self.transport.close()


def answer(problem: Problem) -> bytes:
    """The problem as it goes over the wire."""
    request_id = str(new_id())
    body = json.dumps(problem.body(request_id)).encode()
    fields = {
        "Content-Type": MEDIA_TYPE,
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Request-Id": request_id,
        "Connection": "close",
    }
    head = f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\n"
    return "".join([head, *(f"{name}: {value}\r\n" for name, value in fields.items()), "\r\n"]).encode() + body
