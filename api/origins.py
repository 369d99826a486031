"""Which sites' pages may read our answers in a browser (CORS), tenant by tenant.

A page of another origin never has more rights for it: every right comes with a token, none with a cookie, and
`Access-Control-Allow-Credentials` is never sent. So this decides only which pages may read. (The codec server has one
page that may bring a cookie, and rules of its own: `api.codec_origin`.)

- An answer to a caller of a tenant is readable by the origins in that tenant's setting `allowed_origins`.
- A preflight bears no token, and so no tenant: it is answered for origins that any tenant has named. What it lets
  through still meets the line above.
- An answer to a caller that we do not know (a 401, a sign-in) is readable by the same: it holds nothing but what the
  caller's own credentials gave.
- A WebSocket has no such protocol: its handshake from a page of an unknown origin is refused.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import Problem, refuse
from api.state import Services
from api.tenant_walls import Walls

METHODS = "GET, POST, PUT, PATCH, DELETE"
# No API key among them: it belongs into a backend, never into a page.
HEADERS = "Accept, Authorization, Content-Type, Idempotency-Key, If-Match, Last-Event-ID, X-Request-Id"
EXPOSED = (
    "Content-Disposition, ETag, Idempotency-Replayed, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"
)
REMEMBERED_S = 600


class Origins:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        services: Services | None = getattr(scope["app"].state, "services", None)
        if services is None or scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        sent = Headers(scope=scope)
        origin = sent.get("origin")
        walls = Walls() if origin is None else await services.walls.known()
        if scope["type"] == "websocket":
            if origin is None or _is_ours(origin, sent, services) or origin in walls.all_origins:
                await self._app(scope, receive, send)
            else:
                await refuse(Problem("origin_not_allowed"), scope, receive, send)
        elif origin is not None and scope["method"] == "OPTIONS" and "access-control-request-method" in sent:
            await _preflight(origin in walls.all_origins, origin, scope, receive, send)
        else:
            await self._app(scope, receive, _readable(origin, walls, scope, send))


def _is_ours(origin: str, sent: Headers, services: Services) -> bool:
    """A page that we served ourselves: its scheme may be a proxy's, its host is the one that was asked."""
    host = urlsplit(origin).netloc
    return host == sent.get("host") or origin == services.settings.public_url.rstrip("/")


def _readable(origin: str | None, walls: Walls, scope: Scope, send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start" and scope["path"].startswith("/v1/"):
            headers = MutableHeaders(scope=message)
            headers.add_vary_header("Origin")
            if origin is not None and origin in _allowed(walls, scope):
                headers["Access-Control-Allow-Origin"] = origin
                headers["Access-Control-Expose-Headers"] = EXPOSED
        await send(message)

    return with_headers


def _allowed(walls: Walls, scope: Scope) -> frozenset[str]:
    identity = scope.get("state", {}).get("identity")
    if identity is None:
        return walls.all_origins
    return walls.origins.get(str(identity.tenant_id), frozenset())


async def _preflight(allowed: bool, origin: str, scope: Scope, receive: Receive, send: Send) -> None:
    if not allowed:
        await refuse(Problem("origin_not_allowed", headers={"Vary": "Origin"}), scope, receive, send)
        return
    fields = {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": METHODS,
        "Access-Control-Allow-Headers": HEADERS,
        "Access-Control-Max-Age": str(REMEMBERED_S),
        "Vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
    }
    raw = [(name.lower().encode(), value.encode()) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": 204, "headers": raw})
    await send({"type": "http.response.body", "body": b""})
