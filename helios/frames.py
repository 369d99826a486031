"""Delta frames: the words of an answer on their way to the reader, sealed, in a Valkey stream per conversation.

Nobody depends on Valkey to be right, only to be fast: a frame that is lost is made good from the stored message.

A frame's number is `epoch * 100,000 + n`. The epoch counts the conversation's generation attempts in PostgreSQL, so
numbers only grow, also after Valkey was flushed. The number is the stream entry's id, and Valkey takes no id below the
newest: a worker that was thought dead cannot write into its successor's text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from helios.crypto import Keys

log = structlog.get_logger()

FRAMES_PER_EPOCH = 100_000
KEPT_FRAMES = 5_000
KEPT_S = 86_400
WHERE = "valkey.frame"

APPEND = """
if redis.call('HGET', KEYS[2], 'stop') == ARGV[1] then return 'stopped' end
local added = redis.pcall('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], ARGV[3] .. '-0', 'f', ARGV[4])
if type(added) == 'table' and added.err then
  if string.find(added.err, 'smaller') then return 'superseded' end
  return added
end
redis.call('EXPIRE', KEYS[1], ARGV[5])
redis.call('PUBLISH', KEYS[3], 'd' .. ARGV[3] .. ' ' .. ARGV[4])
return 'released'
"""


class Release(StrEnum):
    """What became of a frame. `lost`: Valkey did not answer; the reader gets the text with the stored message."""

    RELEASED = "released"
    STOPPED = "stopped"
    SUPERSEDED = "superseded"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Frame:
    number: int
    kind: Literal["delta", "reset"]
    message_id: UUID
    turn: int
    attempt: int
    seq: int
    text: str
    after_fact: int
    """The newest fact when it was written: the reader sends that fact first."""


def frame_number(epoch: int, n: int) -> int:
    return epoch * FRAMES_PER_EPOCH + n


def last_of_epoch(epoch: int) -> int:
    """Above every frame of this attempt and of those before it: who has come so far wants none of them any more."""
    return frame_number(epoch, FRAMES_PER_EPOCH - 1)


def connect(url: str) -> Redis:
    """One pool a process. Short timeouts: whoever waits for Valkey is slower than without it.

    In a rush the 65th stands in line for a moment: a pool that refuses would look like a Valkey that is away.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        socket_timeout=2.0,
        socket_connect_timeout=0.5,
        retry=Retry(NoBackoff(), 0),
        max_connections=64,
        timeout=2.0,
    )
    return Redis.from_pool(pool)


class Frames:
    """Writes and reads frames. Never raises because Valkey is away."""

    def __init__(self, valkey: Redis) -> None:
        self._valkey = valkey
        self._append = valkey.register_script(APPEND)

    @property
    def valkey(self) -> Redis:
        return self._valkey

    async def append(self, keys: Keys, conversation_id: UUID, frame: Frame) -> Release:
        """Stores the frame, tells the live readers, and says whether the customer has stopped the turn."""
        stream, head, channel = names(keys.tenant_id, conversation_id)
        fields = [frame.kind, str(frame.message_id), frame.turn, frame.attempt, frame.seq, frame.after_fact, frame.text]
        sealed = keys.seal_json(fields, WHERE, (conversation_id, frame.number))
        try:
            answer = await self._append(
                keys=[stream, head, channel], args=[frame.turn, KEPT_FRAMES, frame.number, sealed, KEPT_S]
            )
        except (RedisError, OSError) as error:
            log.warning("frame lost", error=type(error).__name__)
            return Release.LOST
        return Release(answer.decode())

    async def between(self, keys: Keys, conversation_id: UUID, after: int, upto: int | None = None) -> list[Frame]:
        """Frames with `after < number ≤ upto`, as far as they are still there."""
        stream, _, _ = names(keys.tenant_id, conversation_id)
        try:
            entries: Any = await self._valkey.xrange(stream, f"({after}-0", f"{upto}-0" if upto else "+")
        except (RedisError, OSError) as error:
            log.warning("frames not read", error=type(error).__name__)
            return []
        return [open_frame(keys, conversation_id, int(name.split(b"-")[0]), data[b"f"]) for name, data in entries]

    async def stop(self, tenant_id: UUID, conversation_id: UUID, turn: int) -> None:
        """From now on no frame of this turn is taken."""
        _, head, _ = names(tenant_id, conversation_id)
        try:
            async with self._valkey.pipeline() as pipe:
                pipe.hset(head, "stop", str(turn))
                pipe.expire(head, KEPT_S)
                await pipe.execute()
        except (RedisError, OSError) as error:
            log.warning("stop flag not set", error=type(error).__name__)

    async def forget(self, tenant_id: UUID, conversation_ids: Iterable[UUID]) -> None:
        """Deletes the words. The stop flags stay until they expire: a worker that writes on is refused by them."""
        if streams := [names(tenant_id, each)[0] for each in conversation_ids]:
            await self._valkey.delete(*streams)

    async def is_stopped(self, tenant_id: UUID, conversation_id: UUID, turn: int) -> bool:
        """Whether the customer has stopped this turn, as far as Valkey knows."""
        _, head, _ = names(tenant_id, conversation_id)
        try:
            return bool(await self._valkey.hget(head, "stop") == str(turn).encode())
        except (RedisError, OSError) as error:
            log.warning("stop flag not read", error=type(error).__name__)
            return False

    async def announce(self, tenant_id: UUID, conversation_id: UUID, seq: int) -> None:
        """Tells the live readers that there are facts up to `seq`. Losing it costs them a moment, no more."""
        _, _, channel = names(tenant_id, conversation_id)
        try:
            await self._valkey.publish(channel, b"f%d" % seq)
        except (RedisError, OSError) as error:
            log.warning("fact not announced", error=type(error).__name__)


def open_frame(keys: Keys, conversation_id: UUID, number: int, sealed: bytes) -> Frame:
    """Raises `CryptoError` for a frame that was written for another place."""
    fields = keys.open_json(sealed, WHERE, (conversation_id, number))
    kind, message_id, turn, attempt, seq, after_fact, text = fields
    return Frame(number, kind, UUID(message_id), turn, attempt, seq, text, after_fact)


def names(tenant_id: UUID, conversation_id: UUID) -> tuple[str, str, str]:
    """The stream, the head (a hash) and the channel of a conversation. One hash slot, for a cluster's sake."""
    base = f"helios:{{{tenant_id}/{conversation_id}}}"
    return f"{base}:frames", f"{base}:head", f"{base}:live"
