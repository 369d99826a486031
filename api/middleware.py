"""What every request passes: an id, a limit for its body, headers for browsers, and counting."""

from __future__ import annotations

import time
from typing import Any

import structlog
from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.operations import LATENCY, REQUESTS
from api.problems import Problem, render
from helios.ids import new_id

log = structlog.get_logger()

BODY_MAX = 64 * 1024
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
CSP = "default-src 'none'; frame-ancestors 'none'"


class TooLarge(HTTPException):
    """Raised into the reading of a body that is over the limit. FastAPI takes any other exception for bad JSON."""

    def __init__(self) -> None:
        super().__init__(413)


class Edge:
    """The outermost layer, in plain ASGI: it must not buffer streams."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["request_id"] = request_id = str(new_id())
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started, status = time.perf_counter(), 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(MutableHeaders(scope=message), request_id)
                LATENCY.labels(scope["method"], _route(scope)).observe(time.perf_counter() - started)
            await send(message)

        try:
            await self._limited(scope, receive, send_with_headers)
        finally:
            REQUESTS.labels(scope["method"], _route(scope), status).inc()
            log.info(
                "request",
                method=scope["method"],
                route=_route(scope),
                status=status,
                took_ms=round(1000 * (time.perf_counter() - started)),
            )

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        too_large = Problem("payload_too_large")
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isascii() and declared.isdigit() and int(declared) > BODY_MAX:
            await render(Request(scope), too_large)(scope, receive, send)
            return
        seen, begun = 0, False

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                if seen > BODY_MAX:
                    raise TooLarge
            return message

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, counted, watched)
        except TooLarge:
            if not begun:
                await render(Request(scope), too_large)(scope, receive, send)


def _add_headers(headers: MutableHeaders, request_id: str) -> None:
    headers["X-Request-Id"] = request_id
    for name, value in SECURITY_HEADERS.items():
        headers.setdefault(name, value)
    headers.setdefault("Content-Security-Policy", CSP)
    headers.setdefault("Cache-Control", "no-store")


def _route(scope: dict[str, Any] | Scope) -> str:
    """The route's template: a path holds ids, and an unknown one anything at all."""
    return getattr(scope.get("route"), "path", "unmatched")
