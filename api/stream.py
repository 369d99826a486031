"""The events of a conversation as one ordered stream that resumes anywhere.

Facts come from PostgreSQL in the order of their numbers; the words of a streamed answer come as frames from Valkey. A
reader's position is `fact.frame`: the highest of each that it has sent. What keeps them in order:

- a frame knows the newest fact of its time, and waits for that fact;
- a fact may name the highest frame before it, and waits for that frame;
- frames of an attempt are counted without a gap. Where frames are gone (flushed, expired), the reader sends no more of
  that answer, and at its completion takes back what was sent and sends the stored text as one delta.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from api.hub import Subscription
from api.presentation import conversation_json, escalation_json, message_json
from api.problems import Problem
from api.state import Services
from helios import staff
from helios.crypto import CryptoError, Keys
from helios.frames import FRAMES_PER_EPOCH, Frame, last_of_epoch, open_frame
from helios.tokens import Identity

OFFSET = re.compile(r"(\d{1,18})\.(\d{1,18})", re.ASCII)
HEARTBEAT_S = 15.0
# While nothing is announced because Valkey is away, the tables are looked at this often.
POLL_S = 0.5
PAGE = 500

FACTS = text(
    "SELECT seq, type, payload, message_id, frame FROM conversation_events WHERE tenant_id = :tenant_id "
    "AND conversation_id = :conversation_id AND seq > :after ORDER BY seq LIMIT :most"
)
MESSAGES = text("SELECT * FROM messages WHERE tenant_id = :tenant_id AND id = ANY(:ids)")
CONVERSATION = text("SELECT * FROM threads WHERE tenant_id = :tenant_id AND id = :id")
ESCALATIONS = text(
    "SELECT escalations.*, decisions.action AS decision_action FROM escalations LEFT JOIN decisions "
    "ON decisions.tenant_id = escalations.tenant_id AND decisions.id = escalations.decision_id "
    "WHERE escalations.tenant_id = :tenant_id AND escalations.id = ANY(CAST(:ids AS uuid[]))"
)


@dataclass(slots=True)
class Position:
    fact: int = 0
    frame: int = 0

    def __str__(self) -> str:
        return f"{self.fact}.{self.frame}"


@dataclass(frozen=True, slots=True)
class Event:
    id: str
    type: str
    data: dict[str, Any]


@dataclass(slots=True)
class _Known:
    """Rows that a batch of facts speaks of."""

    messages: dict[UUID, Any]
    escalations: dict[str, Any]
    conversation: Any
    agents: dict[str, str]
    """Names by id."""


def parse_offset(value: str | None) -> Position:
    """Raises a 422 problem for anything that is not an offset of ours."""
    if value is None or value == "":
        return Position()
    match = OFFSET.fullmatch(value)
    if match is None:
        raise Problem("invalid_offset")
    return Position(int(match[1]), int(match[2]))


class Reader:
    """One client's way through the events of a conversation."""

    def __init__(self, services: Services, keys: Keys, identity: Identity, conversation_id: UUID, at: Position) -> None:
        self._services = services
        self._keys = keys
        self._conversation_id = conversation_id
        self._as_staff = identity.kind == "user"
        self._at = at

    async def events(self, subscription: Subscription) -> AsyncIterator[Event | None]:
        """For ever; `None` where nothing happened for 15 s. Ends when the client is too slow."""
        async for event in self._catch_up():
            yield event
        async for event in self._frames_upto(None):
            yield event
        while not subscription.cut:
            wait = HEARTBEAT_S if self._services.hub.connected else POLL_S
            try:
                item = await asyncio.wait_for(subscription.queue.get(), wait)
            except TimeoutError:
                item = None
                if self._services.hub.connected:
                    yield None
            async for event in self._hear(item):
                yield event

    async def _hear(self, item: bytes | None) -> AsyncIterator[Event]:
        if item is not None and item.startswith(b"d"):
            number, sealed = item[1:].split(b" ", 1)
            if int(number) <= self._at.frame:
                return
            try:
                frame = open_frame(self._keys, self._conversation_id, int(number), sealed)
            except CryptoError:
                return
            async for event in self._take_frame(frame):
                yield event
        elif item is None or int(item[1:]) > self._at.fact:
            async for event in self._catch_up():
                yield event

    async def _take_frame(self, frame: Frame) -> AsyncIterator[Event]:
        async for event in self._facts_before(frame):
            yield event
        if frame.number <= self._at.frame:
            return
        if not self._follows(frame):
            async for event in self._frames_upto(frame.number - 1):
                yield event
        if self._follows(frame):
            yield self._frame_event(frame)

    async def _facts_before(self, frame: Frame) -> AsyncIterator[Event]:
        """A fact whose key was there already left its number unused: there may be nothing to send."""
        if frame.after_fact > self._at.fact:
            async for event in self._catch_up(upto=frame.after_fact):
                yield event
            self._at.fact = max(self._at.fact, frame.after_fact)

    def _follows(self, frame: Frame) -> bool:
        """Whether nothing is missing between what was sent and this frame: the next one, or an attempt's first."""
        if frame.number == self._at.frame + 1:
            return True
        epoch, n = divmod(frame.number, FRAMES_PER_EPOCH)
        return epoch > self._at.frame // FRAMES_PER_EPOCH and n == (0 if frame.attempt > 1 else 1)

    async def _frames_upto(self, number: int | None, before_fact: int | None = None) -> AsyncIterator[Event]:
        """Sends the stored frames after our position, as far as they follow each other.

        `before_fact`: the number of the next fact; all facts before it were sent.
        """
        for frame in await self._services.frames.between(self._keys, self._conversation_id, self._at.frame, number):
            if before_fact is None:
                async for event in self._facts_before(frame):
                    yield event
            elif frame.after_fact >= before_fact:
                return
            if self._follows(frame):
                yield self._frame_event(frame)

    def _frame_event(self, frame: Frame) -> Event:
        self._at.frame = frame.number
        where = {"message_id": str(frame.message_id), "turn": frame.turn, "attempt": frame.attempt}
        if frame.kind == "reset":
            return Event(str(self._at), "message.reset", where)
        return Event(str(self._at), "message.delta", {**where, "seq": frame.seq, "text": frame.text})

    async def _catch_up(self, upto: int | None = None) -> AsyncIterator[Event]:
        """Sends the facts after our position, each after the frames that come before it."""
        while True:
            rows, known = await self._read_facts()
            for row in rows:
                if upto is not None and row.seq > upto:
                    return
                async for event in self._words_before(row, known):
                    yield event
                self._at.fact = row.seq
                if row.type in ("message.reset", "message.completed") and row.frame is not None:
                    # Nothing of this attempt is wanted any more, also if a worker that was thought dead still writes.
                    self._at.frame = max(self._at.frame, last_of_epoch(row.frame // FRAMES_PER_EPOCH))
                data = self._data(row, known)
                if data is not None:
                    yield Event(str(self._at), row.type, data)
            if len(rows) < PAGE:
                return

    async def _words_before(self, row: Any, known: _Known) -> AsyncIterator[Event]:
        """The frames that come before a fact; before a completed message, what stands for those that are gone."""
        if row.frame is None or row.frame <= self._at.frame:
            return
        async for event in self._frames_upto(row.frame, before_fact=row.seq):
            yield event
        if row.type == "message.completed" and row.frame > self._at.frame:
            for event in self._make_good(known.messages[row.message_id], row.frame):
                yield event

    def _make_good(self, message: Any, last_frame: int) -> list[Event]:
        """Frames are gone: forget what was sent of this answer, and here it is whole, as one more attempt."""
        where = {"message_id": str(message.id), "turn": message.turn, "attempt": message.attempt + 1}
        content = message_json(message, self._keys)["content"]
        reset = Event(str(self._at), "message.reset", where)
        self._at.frame = last_frame
        return [reset, Event(str(self._at), "message.delta", {**where, "seq": 1, "text": content})]

    async def _read_facts(self) -> tuple[Sequence[Any], _Known]:
        where = {"tenant_id": self._keys.tenant_id, "conversation_id": self._conversation_id}
        async with self._services.database.tenant(self._keys.tenant_id) as connection:
            rows = (await connection.execute(FACTS, {**where, "after": self._at.fact, "most": PAGE})).all()
            ids = [row.message_id for row in rows if row.message_id is not None]
            messages = await connection.execute(MESSAGES, {**where, "ids": ids}) if ids else ()
            opened = [row.payload["id"] for row in rows if row.type.startswith("escalation.")] if self._as_staff else []
            escalations = await connection.execute(ESCALATIONS, {**where, "ids": opened}) if opened else ()
            speaks_of_it = any(row.type.startswith("conversation.") for row in rows)
            found = (
                await connection.execute(CONVERSATION, {**where, "id": self._conversation_id}) if speaks_of_it else None
            )
            conversation = found.one() if found is not None else None
            told = {row.payload["agent_id"] for row in rows if row.payload.get("agent_id")}
            agents = await staff.names(connection, self._keys, sorted(told))
        by_id = {str(row.id): row for row in escalations}
        return rows, _Known({row.id: row for row in messages}, by_id, conversation, agents)

    def _data(self, row: Any, known: _Known) -> dict[str, Any] | None:
        """The event's data; None for a fact whose message was erased."""
        if row.message_id is not None and row.type.startswith("message.") and row.type != "message.accepted":
            message = known.messages.get(row.message_id)
            if message is None:
                return None
            if row.type == "message.completed":
                return message_json(message, self._keys)
            told = {"message_id": str(message.id), **row.payload}
            return (
                {**told, "text": message_json(message, self._keys)["content"]} if row.type == "message.delta" else told
            )
        if row.type.startswith("conversation."):
            return {**conversation_json(known.conversation), **row.payload}
        if row.type.startswith("escalation."):
            return self._escalation(row.payload, known)
        return dict(row.payload)

    def _escalation(self, payload: Mapping[str, Any], known: _Known) -> dict[str, Any]:
        told = {name: value for name, value in payload.items() if name != "agent_id"}
        told["agent_display_name"] = known.agents.get(payload.get("agent_id") or "")
        if not self._as_staff or payload["id"] not in known.escalations:
            return told
        return {**escalation_json(known.escalations[payload["id"]], self._keys), **told}
