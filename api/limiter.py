"""Counts requests in Valkey: every scope of a request in one round trip, with the `limits` library's sliding window.

A window slides: what was counted in the one before still counts for the part that overlaps.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from limits import RateLimitItem
from limits.aio.storage import RedisStorage
from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from api.limits import CLOSED_WITHOUT_VALKEY, Scope
from api.problems import Problem

log = structlog.get_logger()

# A rush holds this process up by a part of a second, and must not look like a Valkey that is away.
ANSWER_WITHIN_S = 1.0
# A Valkey that does not answer is not asked again for a moment: else every request would wait for it.
LEFT_ALONE_S = 1.0
TOLD_EVERY_S = 60.0
USED_UP_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Count:
    """How a scope stands after this request."""

    scope: Scope
    limit: int
    window_s: int
    remaining: int
    reset_s: int
    """Until everything is allowed again, if nothing more is sent."""
    wait_s: float
    """Until one more is allowed; 0 where it is now."""


@dataclass(frozen=True, slots=True)
class Windows:
    """What the library keeps of a limit: requests of the window before and of this one, and their times to live."""

    before: int
    before_ttl_s: float
    current: int
    current_ttl_s: float

    def count(self, scope: Scope, item: RateLimitItem, taken: bool) -> Count:
        limit, window_s = item.amount, item.get_expiry()
        used = math.floor(self.before * self.before_ttl_s / window_s) + self.current
        # The current window lives for two: one as the current one, one as the one before.
        reset_s = self.current_ttl_s if self.current else self.before_ttl_s
        wait_s = 0.0 if taken else self._until_one_fits(limit, window_s)
        return Count(scope, limit, window_s, max(0, limit - used), math.ceil(reset_s), wait_s)

    def _until_one_fits(self, limit: int, window_s: int) -> float:
        """Seconds until the weighted count has fallen below the limit."""
        if self.current < limit:
            return max(0.0, self.before_ttl_s - (limit - self.current) * window_s / max(self.before, 1))
        shifts_in_s = max(0.0, self.current_ttl_s - window_s)
        return shifts_in_s + window_s - limit * window_s / self.current


class Storage(RedisStorage):
    """The library's storage on our pool, with all limits of a request at once: its own would ask for each in turn."""

    def __init__(self, valkey: Redis) -> None:
        # Only the scheme is read from this address: the connections are the pool's.
        super().__init__(
            "async+redis://", implementation="redispy", key_prefix="helios:limit",
            connection_pool=valkey.connection_pool,  # type: ignore[arg-type]
        )  # fmt: skip
        bridge: Any = self.bridge
        self._client: Redis = bridge.get_connection()
        self._scripts = (bridge.lua_acquire_sliding_window, bridge.lua_sliding_window)

    async def acquire_all(self, wanted: Sequence[tuple[RateLimitItem, str]]) -> list[tuple[bool, Windows]]:
        """Takes one of each, and says for each whether there was one left and how it stands."""
        try:
            return await self._acquire_all(wanted)
        except NoScriptError:  # a Valkey that was started anew
            for script in self._scripts:
                await self._client.script_load(script.script)
            return await self._acquire_all(wanted)

    async def _acquire_all(self, wanted: Sequence[tuple[RateLimitItem, str]]) -> list[tuple[bool, Windows]]:
        acquire, look = self._scripts
        async with self._client.pipeline(transaction=False) as pipeline:
            for item, identifier in wanted:
                key = item.key_for(identifier)
                keys = [self.bridge.prefixed_key(self._previous_window_key(key)),
                        self.bridge.prefixed_key(self._current_window_key(key))]  # fmt: skip
                pipeline.evalsha(acquire.sha, 2, *keys, item.amount, item.get_expiry(), 1)
                pipeline.evalsha(look.sha, 2, *keys, item.get_expiry())
            answers = await pipeline.execute()
        return [(bool(taken), _windows(raw)) for taken, raw in zip(answers[::2], answers[1::2], strict=True)]


def _windows(raw: Sequence[Any]) -> Windows:
    before, before_ttl_ms, current, current_ttl_ms = (max(0, int(each or 0)) for each in raw)
    return Windows(before, before_ttl_ms / 1000, current, current_ttl_ms / 1000)


class UsedUp:
    """Which limits are used up, and until when: nothing that anybody does lets one more through before.

    So a flood is refused here, without a question to Valkey for each of its requests.
    """

    def __init__(self) -> None:
        self._until: dict[str, tuple[float, list[Count]]] = {}

    def remember(self, names: Sequence[str], counted: Sequence[Count]) -> None:
        now = time.monotonic()
        for name, each in zip(names, counted, strict=False):
            if each.wait_s > 0:
                self._until[name] = (now + each.wait_s, list(counted))
        if len(self._until) > USED_UP_KEPT:
            self._until = {name: known for name, known in self._until.items() if known[0] > now}
        if len(self._until) > USED_UP_KEPT:
            self._until.clear()  # Valkey knows

    def refuse(self, names: Sequence[str]) -> None:
        """Raises a 429 problem where one of these is used up."""
        now = time.monotonic()
        known = [self._until[name] for name in names if name in self._until]
        until, counted = max(known, key=lambda each: each[0], default=(0.0, []))
        if until > now:
            raise Problem("rate_limited", retry_after_s=max(1, math.ceil(until - now)), headers=headers(counted))


class Limiter:
    def __init__(self, valkey: Redis) -> None:
        self._storage = Storage(valkey)
        self._used_up = UsedUp()
        self._alone_until = 0.0
        self._told_at = -TOLD_EVERY_S

    async def take(self, kind: str, wanted: Mapping[Scope, tuple[RateLimitItem, str]]) -> list[Count]:
        """Counts a request of this class against each scope's limit, by (limit, who).

        Raises a 429 problem where one is used up. Without Valkey: a 503 where guessing would be free, else nothing.
        """
        names = [f"{kind}.{scope}.{who}.{item.amount}" for scope, (item, who) in wanted.items()]
        self._used_up.refuse(names)
        try:
            counted = await self._ask(kind, wanted)
        except (RedisError, OSError, TimeoutError) as error:
            self._away(error)
            if kind in CLOSED_WITHOUT_VALKEY:
                raise Problem("dependency_unavailable", retry_after_s=2) from None
            return []
        self._used_up.remember(names, counted)
        self._used_up.refuse(names)
        return counted

    async def _ask(self, kind: str, wanted: Mapping[Scope, tuple[RateLimitItem, str]]) -> list[Count]:
        if time.monotonic() < self._alone_until:
            raise TimeoutError
        async with asyncio.timeout(ANSWER_WITHIN_S):
            answers = await self._storage.acquire_all(
                [(item, f"{kind}.{scope}.{who}") for scope, (item, who) in wanted.items()]
            )
        return [
            windows.count(scope, item, taken)
            for (scope, (item, _)), (taken, windows) in zip(wanted.items(), answers, strict=True)
        ]

    def _away(self, error: Exception) -> None:
        now = time.monotonic()
        if now >= self._alone_until:
            self._alone_until = now + LEFT_ALONE_S
        if now - self._told_at >= TOLD_EVERY_S:
            self._told_at = now
            log.warning("limits are not counted", error=type(error).__name__, closed=sorted(CLOSED_WITHOUT_VALKEY))


def headers(counted: Sequence[Count]) -> dict[str, str]:
    """`RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers-10: one member a scope."""
    if not counted:
        return {}
    return {
        "RateLimit-Policy": ", ".join(f'"{each.scope}";q={each.limit};w={each.window_s}' for each in counted),
        "RateLimit": ", ".join(f'"{each.scope}";r={each.remaining};t={each.reset_s}' for each in counted),
    }
