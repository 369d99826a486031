"""Facts: what happened in a conversation, in order, written in the transaction of what they tell.

The conversation's row is locked by the counting, so facts become visible in the order of their numbers: a reader that
has seen number n will never find a smaller one later. A fact whose key is already there is not written again; its
number is skipped, which readers don't mind.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import BigInteger, String, Uuid

APPEND = text(
    """
    WITH head AS (
        UPDATE threads SET last_seq = last_seq + cardinality(CAST(:types AS text[])), updated_at = now()
        WHERE tenant_id = :tenant_id AND id = :conversation_id RETURNING last_seq
    ), facts AS (
        SELECT * FROM unnest(
            CAST(:types AS text[]), CAST(:keys AS text[]), CAST(:payloads AS jsonb[]),
            CAST(:messages AS uuid[]), CAST(:frames AS bigint[])
        ) WITH ORDINALITY AS fact(type, dedupe_key, payload, message_id, frame, n)
    ), written AS (
        INSERT INTO conversation_events
            (tenant_id, conversation_id, seq, type, dedupe_key, payload, message_id, frame)
        SELECT :tenant_id, :conversation_id, last_seq - cardinality(CAST(:types AS text[])) + n,
               type, dedupe_key, payload, message_id, frame
        FROM facts, head
        ON CONFLICT (tenant_id, conversation_id, dedupe_key) DO NOTHING
    )
    SELECT last_seq FROM head
    """
).bindparams(
    bindparam("types", type_=ARRAY(String)),
    bindparam("keys", type_=ARRAY(String)),
    bindparam("payloads", type_=ARRAY(JSONB)),
    bindparam("messages", type_=ARRAY(Uuid)),
    bindparam("frames", type_=ARRAY(BigInteger)),
)


@dataclass(frozen=True, slots=True)
class Fact:
    """`key` names what happened so that a retried step tells it once. `payload` holds no text of a person."""

    type: str
    key: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    message_id: UUID | None = None
    frame: int | None = None
    """The highest delta frame that comes before this fact; none known: it waits for no frame."""


async def append(connection: AsyncConnection, tenant_id: UUID, conversation_id: UUID, facts: Sequence[Fact]) -> int:
    """Writes the facts and returns the number of the last one. Raises `LookupError` for an unknown conversation."""
    result = await connection.execute(
        APPEND,
        {
            "tenant_id": tenant_id,
            "conversation_id": conversation_id,
            "types": [fact.type for fact in facts],
            "keys": [fact.key for fact in facts],
            "payloads": [json.loads(json.dumps(dict(fact.payload), default=str)) for fact in facts],
            "messages": [fact.message_id for fact in facts],
            "frames": [fact.frame for fact in facts],
        },
    )
    seq = result.scalar_one_or_none()
    if seq is None:
        raise LookupError(f"conversation {conversation_id} does not exist")
    return int(seq)


def stage(turn: int, name: str, frame: int | None = None) -> Fact:
    """The turn has reached a stage: screening, intent, retrieval, generation, review or delivery."""
    return Fact("turn.stage", f"stage:{turn}:{name}", {"turn": turn, "stage": name}, frame=frame)
