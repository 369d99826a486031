"""Messages that are told whole: notices, safe texts, and what a person wrote. Only a model's answer is streamed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.reading import CONTENT
from helios.crypto import Keys
from helios.facts import Fact
from helios.ids import new_id
from schema.tables import Citation, Message


@dataclass(frozen=True, slots=True)
class Told:
    """A message to store. `origin` is what makes it be stored once."""

    turn: int
    role: Literal["assistant", "agent", "system"]
    origin: str
    content: str
    language: str
    id: UUID | None = None
    author_id: UUID | None = None
    citations: Sequence[Mapping[str, Any]] = ()
    intent: Mapping[str, Any] | None = None
    confidence: float | None = None
    outcome: str | None = None
    attempt: int = 1
    last_frame: int = 0
    """Of a streamed answer; 0 for a message that is told whole."""
    taken_back: int | None = None
    """The highest frame that any attempt may have released under this id, all of which this message replaces."""


async def tell(connection: AsyncConnection, keys: Keys, conversation_id: UUID, told: Told) -> tuple[UUID, list[Fact]]:
    """Stores the message and returns its id with the facts that tell it, to be appended by the caller.

    A message whose origin is there already keeps its id, and its facts are the same facts.
    """
    message_id = told.id or new_id()
    stored = await connection.execute(
        insert(Message)
        .values(
            tenant_id=keys.tenant_id,
            id=message_id,
            conversation_id=conversation_id,
            turn=told.turn,
            role=told.role,
            origin=told.origin,
            author_id=told.author_id,
            content_ct=keys.seal_text(told.content, CONTENT, message_id),
            language=told.language,
            citations=[dict(each) for each in told.citations],
            intent=None if told.intent is None else dict(told.intent),
            confidence=told.confidence,
            outcome=told.outcome,
            attempt=told.attempt,
            last_frame=told.last_frame,
            # The clock and not the transaction's start: messages of one transaction keep their order.
            created_at=func.clock_timestamp(),
        )
        .on_conflict_do_update(index_elements=["tenant_id", "conversation_id", "origin"], set_={"origin": told.origin})
        .returning(Message.id)  # type: ignore[call-overload]
    )
    message_id = stored.scalar_one()
    await _note_citations(connection, keys.tenant_id, message_id, told.citations)
    return message_id, _facts(message_id, told)


async def _note_citations(
    connection: AsyncConnection, tenant_id: UUID, message_id: UUID, citations: Sequence[Mapping[str, Any]]
) -> None:
    """So that whoever withdraws a version finds the answers that rest on it."""
    cited = {(UUID(each["source_id"]), int(each["version"])) for each in citations}
    if cited:
        common = {"tenant_id": tenant_id, "message_id": message_id}
        rows = [{**common, "source_id": source_id, "version": version} for source_id, version in sorted(cited)]
        await connection.execute(insert(Citation).on_conflict_do_nothing(), rows)


def _facts(message_id: UUID, told: Told) -> list[Fact]:
    """A streamed message has its words in frames; one that is told whole brings them as one delta."""
    completed = Fact("message.completed", f"completed:{message_id}", {}, message_id, frame=told.last_frame or None)
    if told.last_frame:
        return [completed]
    where = {"turn": told.turn, "attempt": told.attempt}
    delta = Fact("message.delta", f"delta:{message_id}", {**where, "seq": 1}, message_id)
    if told.attempt == 1:
        return [delta, completed]
    return [Fact("message.reset", f"reset:{message_id}", where, message_id, frame=told.taken_back), delta, completed]
