"""Every request is counted before a route sees it."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

from limits import RateLimitItem
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.limiter import Count, headers
from api.limits import Scope as LimitScope
from api.limits import class_of, quotas
from api.problems import Problem, refuse
from api.state import Services
from helios.crypto import token_hash
from helios.settings import Settings
from helios.tokens import Identity, TokenError

Wanted = dict[LimitScope, tuple[RateLimitItem, str]]


class Counting:
    """Refuses what is over a limit, and says in each answer how the limits stand."""

    def __init__(self, app: ASGIApp, config: Settings) -> None:
        self._app = app
        self._at_work = AtWork(config.tenant_requests)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = None
        if scope["type"] in ("http", "websocket"):
            kind = class_of("WEBSOCKET" if scope["type"] == "websocket" else scope["method"], scope["path"])
        services: Services | None = getattr(scope["app"].state, "services", None)
        if kind is None or services is None or services.settings.rate_limits == 0:
            await self._app(scope, receive, send)
            return
        callers = await _callers(services, scope)
        try:
            counted = await count(services, kind, callers)
            # A stream waits for nobody and holds nothing; how many are opened is counted.
            held = self._at_work.one(callers["tenant"]) if "tenant" in callers and kind != "stream" else nullcontext()
        except Problem as problem:
            await refuse(problem, scope, receive, send)
            return

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers(counted))
            await send(message)

        with held:
            await self._app(scope, receive, telling)


class AtWork:
    """How many requests of a tenant this process works on or lets wait at the same time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._now: Counter[str] = Counter()

    def one(self, tenant: str) -> AbstractContextManager[None]:
        """Raises a 429 problem where there are too many."""
        if self._now[tenant] >= self._most:
            raise Problem("rate_limited", "Too many requests of this tenant are being worked on.", retry_after_s=1)
        return self._hold(tenant)

    @contextmanager
    def _hold(self, tenant: str) -> Iterator[None]:
        self._now[tenant] += 1
        try:
            yield
        finally:
            self._now[tenant] -= 1
            if not self._now[tenant]:
                del self._now[tenant]


async def count(services: Services, kind: str, callers: Mapping[LimitScope, str]) -> list[Count]:
    """Counts one request of this class for all who stand behind it. Raises a problem where a limit is used up."""
    factor = services.settings.rate_limits
    if factor == 0:
        return []
    own = (await services.walls.known()).limits.get(callers["tenant"], {}) if "tenant" in callers else {}
    limits = quotas(kind, own, factor)
    return await services.limiter.take(
        kind, {name: (limits[name], who) for name, who in callers.items() if name in limits}
    )


def callers_of(identity: Identity) -> dict[LimitScope, str]:
    return {"tenant": str(identity.tenant_id), identity.kind: str(identity.id)}


async def _callers(services: Services, scope: Scope) -> dict[LimitScope, str]:
    found: dict[LimitScope, str] = {"address": _address(scope)}
    sent = Headers(scope=scope)
    kind, _, token = sent.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        try:
            found.update(callers_of(services.tokens.read(token.strip())))
        except TokenError:
            return found
    elif (api_key := sent.get("x-api-key")) is not None:
        tenant_id = await services.walls.tenant_of_key(api_key)
        if tenant_id is not None:
            found["tenant"] = str(tenant_id)
            found["api_key"] = token_hash(api_key).hex()[:32]
    return found


def _address(scope: Scope) -> str:
    """Where the request comes from, hashed; of IPv6 the network, which is what one subscriber has."""
    host = str((scope.get("client") or ("unknown", 0))[0])
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return token_hash(host).hex()[:32]
    if address.version == 6:
        address = address.ipv4_mapped or ipaddress.ip_network((int(address), 64), strict=False).network_address
    return token_hash(str(address)).hex()[:32]
