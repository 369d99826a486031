"""What every request passes first and every answer last: an id, the right host, headers for browsers, and counting."""

from __future__ import annotations

import re
import time
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.limits import UNLIMITED
from api.operations import LATENCY, REQUESTS
from api.problems import Problem, refuse
from api.routes import template
from helios.ids import new_id
from helios.settings import Settings

log = structlog.get_logger()

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
"""Of every answer that says nothing else."""
HSTS = "max-age=31536000"
# Nothing that could be a number of a card or an account: it goes into every log line.
REQUEST_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Edge:
    """The outermost layer, in plain ASGI: it must not buffer streams."""

    def __init__(self, app: ASGIApp, config: Settings) -> None:
        self._app = app
        self._hosts = _hosts(config)
        self._always_https = config.public_url.startswith("https://")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        sent = Headers(scope=scope)
        scope["request_id"] = request_id = _request_id(sent.get("x-request-id"))
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        if scope["type"] == "websocket":
            await self._answer(scope, receive, _refusing(scope, send), sent)
        else:
            await self._counted(scope, receive, send, sent)

    async def _counted(self, scope: Scope, receive: Receive, send: Send, sent: Headers) -> None:
        started, status = time.perf_counter(), 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._add_headers(MutableHeaders(scope=message), scope)
                LATENCY.labels(_method(scope), template(scope)).observe(time.perf_counter() - started)
                _note(scope, status)
            await send(message)

        try:
            await self._answer(scope, receive, send_with_headers, sent)
        finally:
            REQUESTS.labels(_method(scope), template(scope), status).inc()
            log.info(
                "request",
                method=_method(scope),
                route=template(scope),
                status=status,
                took_ms=round(1000 * (time.perf_counter() - started)),
            )

    async def _answer(self, scope: Scope, receive: Receive, send: Send, sent: Headers) -> None:
        """Refuses a host that is not ours: a page of somebody else's that points its name at us, or a poisoned link."""
        asked = _name(sent.get("host", ""))
        foreign = self._hosts and asked not in self._hosts and scope["path"] not in UNLIMITED
        # RFC 9112 3.2: two of them are two opinions of whose request it is.
        if foreign or len(sent.getlist("host")) > 1:
            await refuse(Problem("misdirected_request"), scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _add_headers(self, headers: MutableHeaders, scope: Scope) -> None:
        headers["X-Request-Id"] = scope["request_id"]
        for name, value in SECURITY_HEADERS.items():
            headers.setdefault(name, value)
        if self._always_https or scope["scheme"] == "https":
            headers["Strict-Transport-Security"] = HSTS


def _refusing(scope: Scope, send: Send) -> Send:
    """A handshake that no route takes up is a problem like any other."""
    accepted = False

    async def watched(message: Message) -> None:
        nonlocal accepted
        accepted = accepted or message["type"] != "websocket.close"
        if accepted:
            await send(message)
        else:
            await refuse(Problem("not_found"), scope, _nothing, send)

    return watched


async def _nothing() -> Message:
    return {"type": "websocket.disconnect"}


def _request_id(sent: str | None) -> str:
    """The caller's own where it is a UUID, so that their log and ours can be laid side by side."""
    return sent if sent is not None and REQUEST_ID.fullmatch(sent) else str(new_id())


def _hosts(config: Settings) -> frozenset[str]:
    """Empty: any."""
    public = urlsplit(config.public_url).hostname
    return frozenset(name.lower() for name in (*config.allowed_hosts, *((public,) if public else ())))


def _name(host: str) -> str:
    return (urlsplit(f"//{host}").hostname or "") if _is_plain(host) else ""


def _is_plain(host: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9.\-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?", host) is not None


def _method(scope: Scope) -> str:
    """A made-up method would make a time series of its own each."""
    return scope["method"] if scope["method"] in METHODS else "other"


def _note(scope: Scope, status: int) -> None:
    """In the access log. Nobody is known before the application has started."""
    services = getattr(scope["app"].state, "services", None) if "app" in scope else None
    if services is not None:
        services.access.note(scope, status)
