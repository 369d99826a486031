"""Tells conversations, some at a time, that answers of theirs are to be corrected, and counts those that are."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio import activity

from activities.resources import Resources
from helios import audit
from helios.crypto import Shredded
from helios.temporal import Conversations
from schema.follow_ups import FollowedUp, FollowUpRef
from schema.steps import Correction

AT_ONCE = 50
"""Conversations that are told and have yet to answer. A withdrawal of thousands does not stand in a customer's way."""
AGAIN = timedelta(minutes=1)
"""After which one that has not answered is told once more."""
FOLLOW_UP = text("SELECT * FROM follow_ups WHERE tenant_id = :tenant_id AND id = :id FOR UPDATE")
# Erased or being erased since it was asked for: its workflow is gone, or refuses.
LEAVE_OUT = text(
    """
    UPDATE follow_up_conversations AS asked SET status = 'left_out', done_at = now()
    FROM threads AS thread JOIN customers AS customer
      ON customer.tenant_id = thread.tenant_id AND customer.id = thread.customer_id
    WHERE asked.tenant_id = :tenant_id AND asked.follow_up_id = :id AND asked.status = 'pending'
      AND thread.tenant_id = asked.tenant_id AND thread.id = asked.conversation_id
      AND (thread.erased_at IS NOT NULL OR customer.frozen_at IS NOT NULL)
    """
)
NEXT = text(
    """
    SELECT conversation_id FROM follow_up_conversations AS asked
    WHERE tenant_id = :tenant_id AND follow_up_id = :id AND status = 'pending'
      AND coalesce(signalled_at < now() - CAST(:again AS interval), true)
    ORDER BY conversation_id
    LIMIT greatest(0, :at_once - (
        SELECT count(*) FROM follow_up_conversations AS told WHERE told.tenant_id = :tenant_id
          AND told.follow_up_id = :id AND told.status = 'pending'
          AND told.signalled_at >= now() - CAST(:again AS interval)))
    """
)
SIGNALLED = text(
    "UPDATE follow_up_conversations SET signalled_at = now() "
    "WHERE tenant_id = :tenant_id AND follow_up_id = :id AND conversation_id = ANY(:conversations)"
)
COUNTS = text(
    "SELECT status, count(*) AS conversations FROM follow_up_conversations "
    "WHERE tenant_id = :tenant_id AND follow_up_id = :id GROUP BY status"
)
FINISH = text("UPDATE follow_ups SET status = 'done', finished_at = now() WHERE tenant_id = :tenant_id AND id = :id")


async def tell_conversations(resources: Resources, ref: FollowUpRef) -> FollowedUp:
    """A conversation that is told twice knows it: its own row says what was done."""
    where = {"tenant_id": ref.tenant_id, "id": ref.follow_up_id}
    async with resources.database.tenant(ref.tenant_id) as connection:
        follow_up = (await connection.execute(FOLLOW_UP, where)).one()
        await connection.execute(LEAVE_OUT, where)
        due = list(await connection.scalars(NEXT, {**where, "at_once": AT_ONCE, "again": AGAIN}))
    conversations = Conversations(activity.client(), resources.settings)
    correction = Correction(follow_up.source_id, follow_up.version)
    for conversation_id in due:
        # Erased in this moment: the next look leaves it out.
        with suppress(Shredded):
            await conversations.correct(ref.tenant_id, conversation_id, correction)
    async with resources.database.tenant(ref.tenant_id) as connection:
        await connection.execute(SIGNALLED, {**where, "conversations": due})
        follow_up = (await connection.execute(FOLLOW_UP, where)).one()
        counts = {row.status: row.conversations for row in await connection.execute(COUNTS, where)}
        if not counts.get("pending") and follow_up.status == "running":
            await _finish(connection, follow_up, counts)
    total = sum(counts.values())
    return FollowedUp(total, total - counts.get("pending", 0))


async def _finish(connection: AsyncConnection, follow_up: Any, counts: dict[str, int]) -> None:
    await connection.execute(FINISH, {"tenant_id": follow_up.tenant_id, "id": follow_up.id})
    await audit.record(
        connection, follow_up.tenant_id, "knowledge.follow_up_done", actor=("system", None),
        subject=("knowledge_source", follow_up.source_id),
        detail={"version": follow_up.version, "follow_up_id": str(follow_up.id), **counts},
    )  # fmt: skip
