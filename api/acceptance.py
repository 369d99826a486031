"""Taking a customer's message: masked, sealed, stored, counted into a turn, in one transaction before the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from api.presentation import MESSAGE_CONTENT
from api.problems import Problem, not_found
from helios import audit, facts
from helios.crypto import Keys
from helios.detection import secrets
from helios.facts import Fact
from helios.frames import FRAMES_PER_EPOCH, frame_number
from helios.ids import new_id
from helios.tokens import Identity
from schema.tables import Message

THREAD = text("SELECT * FROM threads WHERE tenant_id = :tenant_id AND id = :conversation_id FOR UPDATE")
KNOWN = text(
    "SELECT id, turn FROM messages "
    "WHERE tenant_id = :tenant_id AND conversation_id = :conversation_id AND origin = :origin"
)
LAST_WORDS = text(
    "SELECT id, content_ct FROM messages WHERE tenant_id = :tenant_id AND conversation_id = :conversation_id "
    "AND role = 'customer' ORDER BY created_at DESC, id DESC LIMIT 3"
)
CONTINUES_MAX = 100
"""Characters. A longer message without a digit is none that goes on with a secret of the one before it."""
REWRITE = text(
    "UPDATE messages SET content_ct = :content_ct, masked = array_append(masked, 'CARD') "
    "WHERE tenant_id = :tenant_id AND id = :id"
)
OPEN_TURN = text(
    """
    WITH opened AS (
        INSERT INTO turns (tenant_id, conversation_id, number, reply_id)
        VALUES (:tenant_id, :conversation_id, :turn, :reply_id)
    )
    UPDATE threads SET open_turn = :turn WHERE tenant_id = :tenant_id AND id = :conversation_id
    """
)


@dataclass(frozen=True, slots=True)
class Accepted:
    message_id: UUID
    turn: int
    seq: int
    """The newest fact with this message in it; 0 where it was accepted before."""
    frame: int = 0
    """Every frame of this message's turn is higher."""


async def accept(
    connection: AsyncConnection,
    keys: Keys,
    customer: Identity,
    conversation_id: UUID,
    content: str,
    client_message_id: str,
) -> Accepted:
    """Stores the message and assigns its turn: the newest that has not begun, else the next.

    The same `client_message_id` again finds the message that it made. Raises `not_found` and `conversation_closed`.
    """
    where: dict[str, Any] = {"tenant_id": keys.tenant_id, "conversation_id": conversation_id}
    thread = (await connection.execute(THREAD, where)).one_or_none()
    if thread is None or thread.customer_id != customer.id:
        not_found()
    # An index and not the id itself: a client may have put anything into it.
    origin = f"client:#{keys.blind_index(client_message_id, 'messages.origin').hex()}"
    known = (await connection.execute(KNOWN, {**where, "origin": origin})).one_or_none()
    if known is not None:
        return Accepted(known.id, known.turn, 0)
    if thread.status == "closed":
        raise Problem("conversation_closed")
    masked = await _mask(connection, keys, where, content)
    turn = thread.open_turn
    if turn == thread.sealed_turn:
        turn += 1
        await connection.execute(OPEN_TURN, {**where, "turn": turn, "reply_id": new_id()})
    message_id = new_id()
    await connection.execute(
        insert(Message).values(
            **where,
            id=message_id,
            turn=turn,
            role="customer",
            origin=origin,
            author_id=customer.id,
            content_ct=keys.seal_text(masked.text, MESSAGE_CONTENT, message_id),
            masked=list(masked.labels),
        )
    )
    accepted = Fact("message.accepted", f"accepted:{message_id}", {"message_id": message_id, "turn": turn}, message_id)
    seq = await facts.append(connection, keys.tenant_id, conversation_id, [accepted])
    await audit.record(
        connection,
        keys.tenant_id,
        "message.accepted",
        actor=("customer", customer.id),
        subject=("message", message_id),
        detail={"conversation_id": str(conversation_id), "turn": turn, "masked": list(masked.labels)},
    )
    return Accepted(message_id, turn, seq, frame_number(thread.epoch, FRAMES_PER_EPOCH - 1))


async def _mask(connection: AsyncConnection, keys: Keys, where: dict[str, Any], content: str) -> secrets.Masked:
    """Takes card numbers and secrets out; also a number that began in messages before, which are then rewritten."""
    if len(content) > CONTINUES_MAX and not any(character.isdigit() for character in content):
        return secrets.mask(content)
    rows = (await connection.execute(LAST_WORDS, where)).all()
    before = [keys.open_text(row.content_ct, MESSAGE_CONTENT, row.id) for row in rows]
    tail = ""
    for earlier in reversed(before):
        tail = secrets.digit_tail(earlier, tail)
    masked = secrets.mask(content, tail, before[0] if before else "")
    left = masked.joined_digits
    for row, words in zip(rows, before, strict=True):
        there = min(left, sum(map(str.isdigit, secrets.digit_tail(words))))
        if there == 0:
            break
        sealed = keys.seal_text(secrets.mask_tail(words, there), MESSAGE_CONTENT, row.id)
        await connection.execute(REWRITE, {"tenant_id": where["tenant_id"], "id": row.id, "content_ct": sealed})
        left -= there
    return masked
