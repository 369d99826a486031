"""Which page may ask the codec server from another origin: Temporal's UI, as `HELIOS_TEMPORAL_UI_URL` names it.

It alone may bring a cookie: it has no other way to say who looks (`api.codec`). No page of a tenant's is let in here.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import Problem, refuse
from helios.settings import Settings

CODEC = "/codec"
PREFLIGHT = {
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "Authorization, Authorization-Extras, Content-Type, X-Namespace",
    "Access-Control-Max-Age": "600",
}


def ui_origin(config: Settings) -> str | None:
    parts = urlsplit(config.temporal_ui_url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else None


class CodecOrigin:
    """Outside of `api.origins`, whose rules are the tenants'."""

    def __init__(self, app: ASGIApp, config: Settings) -> None:
        self._app = app
        self._origin = ui_origin(config)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(f"{CODEC}/"):
            await self._app(scope, receive, send)
            return
        sent = Headers(scope=scope)
        known = self._origin is not None and sent.get("origin") == self._origin
        answer = self._readable(send) if known else send
        if scope["method"] != "OPTIONS" or "access-control-request-method" not in sent:
            await self._app(scope, receive, answer)
        elif known:
            await _preflight(answer)
        else:
            await refuse(Problem("origin_not_allowed", headers={"Vary": "Origin"}), scope, receive, send)

    def _readable(self, send: Send) -> Send:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.add_vary_header("Origin")
                headers["Access-Control-Allow-Origin"] = str(self._origin)
                headers["Access-Control-Allow-Credentials"] = "true"
            await send(message)

        return with_headers


async def _preflight(send: Send) -> None:
    raw = [(name.lower().encode(), value.encode()) for name, value in PREFLIGHT.items()]
    await send({"type": "http.response.start", "status": 204, "headers": raw})
    await send({"type": "http.response.body", "body": b""})
