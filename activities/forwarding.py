"""What a customer says while a person has the conversation: theirs to answer, but its duties begin all the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.opening import open_tickets
from activities.promises import due_at
from activities.reading import settings_of
from helios import audit
from helios.detection.situations import Situation
from helios.facts import Fact
from helios.rules.policy import Policy
from schema.steps import Deliver

URGENT = "P0"
# Names sort as they press: P0 before P4. Nobody waits longer than they were told.
RAISE = text(
    "UPDATE escalations SET priority = :priority, due_at = least(due_at, :due_at) WHERE tenant_id = :tenant_id "
    "AND id = :id AND status <> 'closed' AND priority > :priority RETURNING due_at, status, claimed_by"
)
DUE = text("SELECT due_at FROM escalations WHERE tenant_id = :tenant_id AND id = :id")


@dataclass(frozen=True, slots=True)
class Begun:
    """What the customer is told of at once: with a notice where nobody has taken the conversation yet."""

    facts: Sequence[Fact] = ()
    due_at: datetime | None = None
    """None: no notice."""
    ticket_id: UUID | None = None


async def begin_duties(connection: AsyncConnection, policy: Policy, work: Deliver, thread: Any, turn: Any) -> Begun:
    """Tickets where the message is a regulated notice of which none is open, and a place in the queue that fits."""
    if work.situation is None or thread.escalation_id is None:
        return Begun()
    listed = policy.situation(work.situation)
    raised = await _raise(connection, work, thread, listed, turn.received_at)
    ticket_id = await open_tickets(connection, work, policy, thread, turn.received_at)
    if thread.status != "waiting_human" or (ticket_id is None and listed.priority != URGENT):
        return Begun(raised)
    where = {"tenant_id": work.ref.tenant_id, "id": thread.escalation_id}
    return Begun(raised, (await connection.execute(DUE, where)).scalar_one(), ticket_id)


async def _raise(
    connection: AsyncConnection, work: Deliver, thread: Any, listed: Situation, received_at: datetime
) -> list[Fact]:
    """Its turn comes sooner, and the stream says so."""
    due = due_at(listed.priority, received_at, settings_of(thread).hours)
    where = {"tenant_id": work.ref.tenant_id, "id": thread.escalation_id, "priority": listed.priority, "due_at": due}
    raised = (await connection.execute(RAISE, where)).one_or_none()
    if raised is None:
        return []
    due_at_text = raised.due_at.isoformat()
    await audit.record(
        connection, work.ref.tenant_id, "escalation.raised", actor=("system", None),
        subject=("escalation", thread.escalation_id),
        detail={"turn": work.ref.turn, "priority": listed.priority, "situation": listed.number, "due_at": due_at_text},
    )  # fmt: skip
    told = {"id": thread.escalation_id, "status": raised.status, "due_at": due_at_text, "agent_id": raised.claimed_by}
    return [Fact("escalation.updated", f"raised:{thread.escalation_id}:{work.ref.turn}", told)]
