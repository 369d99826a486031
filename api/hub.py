"""One Valkey subscription a process, handed out to its streams: not one connection a client."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from api.problems import Problem
from helios.frames import names

log = structlog.get_logger()

QUEUE_MAX = 2_000
RETRY_S = 0.3


class Subscription:
    """What one stream hears. `None` in the queue: look into the tables, something may have been missed."""

    __slots__ = ("cut", "problem", "queue")

    def __init__(self) -> None:
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE_MAX)
        self.cut = False
        self.problem: Problem | None = None
        """Why the stream was ended, for its client; None: it was too slow, or is not cut."""

    def put(self, item: bytes | None) -> None:
        try:
            self.queue.put_nowait(item)
        except asyncio.QueueFull:
            # A slow client is cut and resumes; it must not hold everybody's memory.
            self.cut = True

    def end(self, problem: Problem) -> None:
        """Ends the stream that listens."""
        self.problem = problem
        self.cut = True
        self.put(None)


class Hub:
    def __init__(self, valkey: Redis) -> None:
        self._valkey = valkey
        self._subscriptions: dict[str, set[Subscription]] = defaultdict(set)
        self._pubsub: PubSub | None = None
        self._task: asyncio.Task[None] | None = None
        self.connected = False

    async def start(self) -> None:
        self._task = asyncio.create_task(self._listen_for_ever())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    @asynccontextmanager
    async def subscribe(self, tenant_id: UUID, conversation_id: UUID) -> AsyncIterator[Subscription]:
        """Hears everything that is announced from now on."""
        channel = names(tenant_id, conversation_id)[2]
        subscription = Subscription()
        self._subscriptions[channel].add(subscription)
        try:
            if len(self._subscriptions[channel]) == 1:
                await self._tell(channel, join=True)
            yield subscription
        finally:
            self._subscriptions[channel].discard(subscription)
            if not self._subscriptions[channel]:
                del self._subscriptions[channel]
                await self._tell(channel, join=False)

    async def _tell(self, channel: str, *, join: bool) -> None:
        if self._pubsub is None or not self.connected:
            return  # The listener joins all channels when it is back.
        with suppress(RedisError, OSError):
            await (self._pubsub.subscribe(channel) if join else self._pubsub.unsubscribe(channel))

    async def _listen_for_ever(self) -> None:
        while True:
            try:
                await self._listen()
            except (RedisError, OSError) as error:
                log.warning("live events interrupted", error=type(error).__name__)
            self.connected = False
            self._wake_all()
            await asyncio.sleep(RETRY_S)

    async def _listen(self) -> None:
        # The sentinel keeps the subscription alive while no client is there.
        async with self._valkey.pubsub() as pubsub:
            await pubsub.subscribe("helios:hub")
            # From here on newcomers join by themselves; those who came before are joined now. None falls between.
            self._pubsub, self.connected = pubsub, True
            if self._subscriptions:
                await pubsub.subscribe(*self._subscriptions)
            self._wake_all()
            while True:
                message = await pubsub.get_message(ignore_subscribe_messages=False, timeout=1.0)
                if message is None:
                    continue
                for subscription in tuple(self._subscriptions.get(message["channel"].decode(), ())):
                    # A fresh subscription looks once more: what was announced in between is in the tables.
                    subscription.put(message["data"] if message["type"] == "message" else None)

    def _wake_all(self) -> None:
        for subscriptions in tuple(self._subscriptions.values()):
            for subscription in tuple(subscriptions):
                subscription.put(None)
