"""What a customer says while a person has the conversation: theirs to answer, but its duties begin all the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.opening import open_ticket
from activities.promises import due_at
from activities.reading import settings_of
from helios import audit
from helios.detection.situations import Situation
from helios.rules.policy import Policy
from schema.steps import Deliver

URGENT = "P0"
HAS_TICKET = text(
    "SELECT EXISTS (SELECT FROM tickets WHERE tenant_id = :tenant_id AND conversation_id = :conversation_id "
    "AND kind = :kind AND closed_at IS NULL)"
)
# Names sort as they press: P0 before P4. Nobody waits longer than they were told.
RAISE = text(
    "UPDATE escalations SET priority = :priority, due_at = least(due_at, :due_at) WHERE tenant_id = :tenant_id "
    "AND id = :id AND status <> 'closed' AND priority > :priority RETURNING due_at"
)
DUE = text("SELECT due_at FROM escalations WHERE tenant_id = :tenant_id AND id = :id")


@dataclass(frozen=True, slots=True)
class Begun:
    """What the customer is told of at once where nobody has taken the conversation yet."""

    due_at: datetime
    ticket_id: UUID | None


async def begin_duties(
    connection: AsyncConnection, policy: Policy, work: Deliver, thread: Any, turn: Any
) -> Begun | None:
    """A ticket where the message is a regulated notice of which none is open, and a place in the queue that fits.

    None where there is nothing to tell the customer.
    """
    if work.situation is None or thread.escalation_id is None:
        return None
    listed = policy.situation(work.situation)
    await _raise(connection, work, thread, listed, turn.received_at)
    ticket_id = await _ticket(connection, work, thread, turn, listed)
    if thread.status != "waiting_human" or (ticket_id is None and listed.priority != URGENT):
        return None
    where = {"tenant_id": work.ref.tenant_id, "id": thread.escalation_id}
    return Begun((await connection.execute(DUE, where)).scalar_one(), ticket_id)


async def _raise(
    connection: AsyncConnection, work: Deliver, thread: Any, listed: Situation, received_at: datetime
) -> None:
    due = due_at(listed.priority, received_at, settings_of(thread).hours)
    where = {"tenant_id": work.ref.tenant_id, "id": thread.escalation_id, "priority": listed.priority, "due_at": due}
    raised = (await connection.execute(RAISE, where)).one_or_none()
    if raised is not None:
        await audit.record(
            connection, work.ref.tenant_id, "escalation.raised", actor=("system", None),
            subject=("escalation", thread.escalation_id),
            detail={"turn": work.ref.turn, "priority": listed.priority, "situation": listed.number,
                    "due_at": raised.due_at.isoformat()},
        )  # fmt: skip


async def _ticket(connection: AsyncConnection, work: Deliver, thread: Any, turn: Any, listed: Situation) -> UUID | None:
    if listed.ticket is None:
        return None
    where = {"tenant_id": work.ref.tenant_id, "conversation_id": work.ref.conversation_id, "kind": listed.ticket.kind}
    if (await connection.execute(HAS_TICKET, where)).scalar_one():
        return None
    return await open_ticket(connection, work.ref, listed, turn.received_at, settings_of(thread).hours)
