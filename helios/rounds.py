"""Work that goes round over all tenants beside a worker: who does a round, and how long it rests afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from temporalio.service import RPCError

log = structlog.get_logger()

SHARE: Final = 0.05
"""Of its time that such work takes at most, as long as nobody waits longer than `LONGEST_S` for it."""
URGENT: Final = 0.15
"""The same, where a customer waits."""
LONGEST_S: Final = 20.0
TAKEN_S: Final = 5.0
"""A round is its worker's for so long. One that takes longer may be done twice, which is harmless; of a worker that
dies in one, nobody waits longer than this for the next."""


def rest_s(took_s: float, every_s: float, share: float = SHARE) -> float:
    """Seconds until the next round, after one that took so long: `every_s`, or as many as its share asks for."""
    return max(every_s, min(took_s * (1 - share) / share, LONGEST_S))


async def repeat_for_ever(
    valkey: Redis, what: str, one_round: Callable[[], Awaitable[int | None]], every_s: float, share: float = SHARE
) -> None:
    """Runs beside each worker; whoever comes first does the round for all. Nothing is a reason to stop: who waits for
    it has no other hope. `one_round` returns how much there was that should have been
    done before, if that is worth a line in the log.
    """
    while True:
        rest = every_s
        if await _is_ours(valkey, what):
            began = time.monotonic()
            try:
                if done := await one_round():
                    log.info("round", what=what, count=done)
            except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, RPCError, OSError) as error:
                log.warning("round failed", what=what, error=type(error).__name__)
            except Exception as error:
                log.error("round failed", what=what, exc_info=error)
            rest = rest_s(time.monotonic() - began, every_s, share)
            await _leave(valkey, what, rest)
        await asyncio.sleep(rest)


async def _is_ours(valkey: Redis, what: str) -> bool:
    """Without Valkey each worker goes its own round: twice is better than never."""
    try:
        return bool(await valkey.set(_key(what), b"1", nx=True, px=int(TAKEN_S * 1000)))
    except (RedisError, OSError):
        return True


async def _leave(valkey: Redis, what: str, rest: float) -> None:
    """For the others the round is over when ours has rested; a little sooner, for they look as often as we do."""
    try:
        await valkey.set(_key(what), b"1", px=max(1, int(rest * 900)))
    except (RedisError, OSError) as error:
        log.warning("round not left", what=what, error=type(error).__name__)


def _key(what: str) -> str:
    return f"helios:round:{what.replace(' ', '-')}"
