"""Questions that ask the same become a gap. All are grouped anew each time; a gap keeps its id and its state.

The group that shares the most questions with a gap of before is that gap. Where a group falls apart the larger part
keeps it, and where two become one the one with more questions in it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import insert, text

from activities.resources import Resources
from helios import audit
from helios.crypto import Shredded
from helios.ids import new_id
from helios.knowledge.clustering import grouped
from helios.knowledge.gaps import QUESTION, VECTOR, row_of
from helios.models.embedder import Vectors
from schema.privacy import TenantRef
from schema.tables import KnowledgeGap

QUESTIONS_MOST = 2_000
"""The newest ones: what a tenant's people can look through, and a square of numbers that fits into memory."""
KEPT = text(
    """
    SELECT * FROM gap_questions WHERE tenant_id = :tenant_id
    ORDER BY asked_at DESC, conversation_id, turn LIMIT :most
    """
)
LET_GO = text("UPDATE gap_questions SET gap_id = NULL WHERE tenant_id = :tenant_id AND gap_id IS NOT NULL")
PUT = text(
    "UPDATE gap_questions SET gap_id = :gap_id, place = :place "
    "WHERE tenant_id = :tenant_id AND conversation_id = :conversation_id AND turn = :turn"
)
# What has no question any more says nothing: its people were erased, or nobody has asked it for long.
EMPTY = text(
    """
    DELETE FROM knowledge_gaps AS gap WHERE tenant_id = :tenant_id AND NOT EXISTS (
        SELECT FROM gap_questions WHERE gap_questions.tenant_id = gap.tenant_id AND gap_questions.gap_id = gap.id)
    """
)


async def group_questions(resources: Resources, ref: TenantRef) -> int:
    where = {"tenant_id": ref.tenant_id}
    async with resources.database.tenant(ref.tenant_id) as connection:
        rows = (await connection.execute(KEPT, {**where, "most": QUESTIONS_MOST})).all()
    rows, vectors = await _readable(resources, ref, rows)
    groups = await asyncio.to_thread(grouped, vectors) if rows else []
    gaps = named([[rows[place].gap_id for place in group] for group in groups])
    async with resources.database.tenant(ref.tenant_id) as connection:
        for gap_id in (each.id for each in gaps if each.new):
            await connection.execute(insert(KnowledgeGap).values(**where, id=gap_id))
            await audit.record(connection, ref.tenant_id, "knowledge_gap.found", actor=("system", None),
                               subject=("knowledge_gap", gap_id))  # fmt: skip
        await connection.execute(LET_GO, where)
        put = [
            {**where, "gap_id": gap.id, "place": place, "conversation_id": rows[one].conversation_id,
             "turn": rows[one].turn}
            for gap, group in zip(gaps, groups, strict=True)
            for place, one in enumerate(_middle_first(vectors, group))
        ]  # fmt: skip
        if put:
            await connection.execute(PUT, put)
        await connection.execute(EMPTY, where)
    return len(groups)


class Named:
    """A group's gap; `new` where none of before is it."""

    __slots__ = ("id", "new")

    def __init__(self, gap_id: UUID | None) -> None:
        self.id, self.new = gap_id or new_id(), gap_id is None


def named(before: Sequence[Sequence[UUID | None]]) -> list[Named]:
    """For each group the gap that it is, from the gaps that its questions were in before."""
    shared = [
        (-count, str(gap_id), place)
        for place, held in enumerate(before)
        for gap_id, count in Counter(filter(None, held)).items()
    ]
    found: dict[int, UUID] = {}
    for _, gap_id, place in sorted(shared):
        if place not in found and UUID(gap_id) not in found.values():
            found[place] = UUID(gap_id)
    return [Named(found.get(place)) for place in range(len(before))]


async def _readable(resources: Resources, ref: TenantRef, rows: Sequence[Any]) -> tuple[list[Any], Vectors]:
    """Those whose customer was not erased in this moment, with their vectors (n, 384) of length 1."""
    read, vectors = [], []
    for row in rows:
        with suppress(Shredded):
            keys = await resources.keyring.conversation(ref.tenant_id, row.conversation_id)
            place = row_of(row.conversation_id, row.turn)
            if row.embedder == resources.encoder.name:
                vector = np.frombuffer(keys.open(row.vector_ct, VECTOR, place), dtype=np.float16).astype(np.float32)
            else:
                question = keys.open_text(row.question_ct, QUESTION, place)
                vector = (await asyncio.to_thread(resources.encoder.embed, [question]))[0]
            read.append(row)
            vectors.append(vector)
    return read, np.array(vectors, dtype=np.float32)


def _middle_first(vectors: Vectors, group: Sequence[int]) -> list[int]:
    """The group's places in `vectors`, the most typical question first."""
    held = vectors[list(group)]
    nearness = held @ held.mean(axis=0)
    return [group[place] for place in np.argsort(-nearness, kind="stable")]
