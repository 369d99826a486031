"""What persons decided about a conversation's drafts and cases."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios.times import moment

DECISIONS = text(
    """
    SELECT escalations.turn, decisions.action, decisions.actor_id, decisions.applied_at
    FROM decisions JOIN escalations
      ON escalations.tenant_id = decisions.tenant_id AND escalations.id = decisions.escalation_id
    WHERE decisions.tenant_id = :tenant_id AND escalations.conversation_id = :id AND decisions.status = 'applied'
    ORDER BY decisions.applied_at
    """
)


async def decided_by_turn(
    connection: AsyncConnection, tenant_id: UUID, conversation_id: UUID
) -> dict[int, tuple[dict[str, Any], ...]]:
    """By the turn that it is about: `action`, `actor_id` (None: ops, in the Temporal UI) and `applied_at`, in order."""
    decided: dict[int, tuple[dict[str, Any], ...]] = {}
    for row in await connection.execute(DECISIONS, {"tenant_id": tenant_id, "id": conversation_id}):
        by = None if row.actor_id is None else str(row.actor_id)
        entry = {"action": row.action, "actor_id": by, "applied_at": moment(row.applied_at)}
        decided[row.turn] = (*decided.get(row.turn, ()), entry)
    return decided
