"""Workers say that they live. Temporal lists a killed poller for minutes; this list knows within seconds."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

log = structlog.get_logger()

KEY = "helios:workers"
EVERY_S = 2.0
FRESH_S = 10.0


async def beat(valkey: Redis) -> None:
    """For as long as the worker runs."""
    name = f"{socket.gethostname()}:{os.getpid()}"
    while True:
        try:
            async with valkey.pipeline() as pipe:
                pipe.zadd(KEY, {name: time.time()})
                pipe.zremrangebyscore(KEY, 0, time.time() - 10 * FRESH_S)
                await pipe.execute()
        except (RedisError, OSError) as error:
            log.warning("heartbeat not written", error=type(error).__name__)
        await asyncio.sleep(EVERY_S)


async def live_workers(valkey: Redis) -> int:
    """How many workers gave a sign of life in the last 10 s."""
    return int(await valkey.zcount(KEY, time.time() - FRESH_S, "+inf"))


async def lives_here(valkey: Redis) -> bool:
    """Whether a worker on this host (in a container: in it) gave a sign of life in the last 10 s."""
    names: Any = await valkey.zrangebyscore(KEY, time.time() - FRESH_S, "+inf")
    return any(name.decode().rpartition(":")[0] == socket.gethostname() for name in names)
