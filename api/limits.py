"""How many requests who may send: this one table, and which requests each row is about.

Every request counts against each scope of its class that is known: its address always, and what its credentials name.
A tenant may lower them for itself (its setting `limits`, by scope); HELIOS_RATE_LIMITS multiplies the platform's.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping
from typing import Any, Literal

from limits import RateLimitItem, RateLimitItemPerSecond

Scope = Literal["address", "api_key", "tenant", "user", "customer"]

LIMITS: dict[str, dict[Scope, int]] = {
    # No limit for the tenant: with one, a stranger could keep its whole staff out.
    "sign_in": {"address": 240, "user": 60},
    # A tenant's backend signs all its customers in from one address.
    "token": {"address": 3_000, "api_key": 3_000, "tenant": 6_000, "user": 120, "customer": 120},
    "message": {"address": 6_000, "tenant": 6_000, "customer": 300},
    "stream": {"address": 3_000, "tenant": 12_000, "user": 600, "customer": 300},
    "write": {"address": 6_000, "api_key": 3_000, "tenant": 12_000, "user": 600, "customer": 300},
    "read": {"address": 12_000, "api_key": 6_000, "tenant": 30_000, "user": 1_800, "customer": 1_200},
    "page": {"address": 3_000},
}
"""Requests a minute by class and scope."""
WINDOW_S = 60
TENANT_WINDOW_S = 2
TENANT_AT_ONCE = 4
"""A tenant's are counted over 2 s, or the longer time in which it may send four: what is allowed at once is what all
others feel."""

FRAMES_AT_ONCE, FRAMES_PER_S = 40, 10
"""What one WebSocket may send, of whatever kind: so many at once, and so many more a second. It guards the process,
which counts by itself: HELIOS_RATE_LIMITS does not move it."""
FRAMES_IGNORED = 40
"""So many more than that, before it has been quiet again, and the socket is closed."""

OPEN_STREAMS: dict[str, int] = {"customer": 20, "user": 50}
"""Streams and sockets that one person may have open in a process at once; HELIOS_TENANT_STREAMS says how many a tenant
may. HELIOS_RATE_LIMITS does not move these either."""

CLOSED_WITHOUT_VALKEY = frozenset({"sign_in"})
"""Guessing must not become free because a server is away. What stands behind credentials goes on uncounted."""

MEANS = {
    "sign_in": "Proving who one is: signing in, registering, passwords, second factors",
    "token": "A token or ticket for credentials that are at hand",
    "message": "A customer's message, over HTTP or a WebSocket",
    "stream": "Opening a stream of events",
    "write": "Every other change",
    "read": "Every other look",
    "page": "Pages, their files and these documents",
}

READS = ("GET", "HEAD", "OPTIONS")
TAKE_API_KEYS = re.compile(r"/v1/customer-tokens(/[^/]+)?")
"""Who sends a key is known by it there, and everywhere else by an access token."""
UNLIMITED = frozenset({"/healthz", "/readyz", "/metrics"})
"""Probes: they must say what is wrong also when much is."""
ROUTES: tuple[tuple[str, str, str], ...] = (
    (r"/v1/auth/(refresh|logout|logout-all|stream-tickets)", "POST", "token"),
    (r"/v1/customer-tokens|/demo/session", "POST", "token"),
    (r"/v1/auth/.+", "POST", "sign_in"),
    (r"/v1/auth/sso/[^/]+/(start|callback)", "GET", "sign_in"),
    (r"/v1/conversations/[^/]+/messages", "POST", "message"),
    (r"/v1/conversations/[^/]+/events", "GET", "stream"),
    (r"/v1/conversations/[^/]+/ws", "WEBSOCKET", "stream"),
)
"""The first that fits, by path and method; `class_of` says what becomes of the others."""
_ROUTES = tuple((re.compile(path), method, kind) for path, method, kind in ROUTES)


def class_of(method: str, path: str) -> str | None:
    """The class of a request; None where nothing is counted."""
    if path in UNLIMITED:
        return None
    for pattern, known, kind in _ROUTES:
        if known == method and pattern.fullmatch(path):
            return kind
    if method not in READS:
        return "write"
    return "read" if path.startswith("/v1/") else "page"


def quotas(kind: str, own: Mapping[str, Any], factor: float) -> dict[Scope, RateLimitItem]:
    """The limits of a class by scope. `own`: the tenant's numbers a minute by scope, which can only be lower."""
    return {
        scope: _quota(scope, min(max(1, round(factor * known)), _positive(own.get(scope))))
        for scope, known in LIMITS[kind].items()
    }


def _quota(scope: Scope, per_minute: int) -> RateLimitItem:
    window_s = WINDOW_S
    if scope == "tenant":
        window_s = min(WINDOW_S, max(TENANT_WINDOW_S, math.ceil(TENANT_AT_ONCE * WINDOW_S / per_minute)))
    return RateLimitItemPerSecond(max(1, per_minute * window_s // WINDOW_S), window_s)


def _positive(value: Any) -> int:
    return value if type(value) is int and value > 0 else sys.maxsize
