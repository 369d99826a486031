"""Every request is counted before a route sees it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from limits import RateLimitItem
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.limiter import Count, headers
from api.limits import TAKE_API_KEYS, class_of, quotas
from api.limits import Scope as LimitScope
from api.problems import Problem, refuse
from api.state import Services
from helios.crypto import token_hash
from helios.tokens import Identity, TokenError


@dataclass(frozen=True, slots=True)
class ReadToken:
    """What a request's token says, for who asks next: to verify a signature costs a tenth of a request."""

    token: str = field(repr=False)
    identity: Identity


Wanted = dict[LimitScope, tuple[RateLimitItem, str]]


class Counting:
    """Refuses what is over a limit, and says in each answer how the limits stand."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

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
            works = "tenant" in callers and kind != "stream"
            held = services.at_work.one(callers["tenant"]) if works else nullcontext()
        except Problem as problem:
            await refuse(problem, scope, receive, send)
            return

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers(counted))
            await send(message)

        with held:
            await self._app(scope, receive, telling)


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
    """Who stands behind a request, by the credentials that its route takes: others beside them change nothing."""
    found: dict[LimitScope, str] = {"address": address_of(scope)}
    sent = Headers(scope=scope)
    api_key = sent.get("x-api-key", "")
    if api_key and TAKE_API_KEYS.fullmatch(scope["path"]):
        tenant_id = await services.walls.tenant_of_key(api_key)
        if tenant_id is not None:
            found["tenant"] = str(tenant_id)
            found["api_key"] = token_hash(api_key).hex()[:32]
        return found
    kind, _, token = sent.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        with suppress(TokenError):
            token = token.strip()
            read = ReadToken(token, services.tokens.read(token))
            HTTPConnection(scope).state.read_token = read
            found.update(callers_of(read.identity))
    return found


def client_address(scope: Scope) -> IPv4Address | IPv6Address | None:
    """Where the request comes from; None where a proxy in front of us said what is no address."""
    host = str((scope.get("client") or ("", 0))[0])
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return address if address.version == 4 else address.ipv4_mapped or address


def address_of(scope: Scope) -> str:
    """The same, hashed; of IPv6 the network, which is what one subscriber has. All that is no address counts as one."""
    address = client_address(scope)
    if address is not None and address.version == 6:
        address = ip_network((int(address), 64), strict=False).network_address
    return token_hash(str(address)).hex()[:32]
