"""Opening what a person works on: an escalation with its answer time, a ticket with its regulated clocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.promises import clocks, due_at
from activities.reading import settings_of
from helios import audit
from helios.audit import ActorType
from helios.crypto import Keys
from helios.detection.situations import Situation
from helios.ids import new_id
from helios.rules.policy import Policy
from helios.tenant_settings import OfficeHours
from schema.steps import Deliver, Priority, TurnRef, Understanding
from schema.tables import Escalation, Ticket

HAS_TICKET = text(
    "SELECT EXISTS (SELECT FROM tickets WHERE tenant_id = :tenant_id AND conversation_id = :conversation_id "
    "AND kind = :kind AND closed_at IS NULL)"
)
DRAFT = "escalations.draft_ct"
SUMMARY = "escalations.summary_ct"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a person is needed. `key` is `turn:<n>`, `request:<id>` or `correction:<source>:<version>`: the same cause
    opens one escalation.
    """

    key: str
    turn: int
    reason: str
    priority: Priority
    queue: str
    situation: int | None = None
    requested_by: UUID | None = None
    """The member of staff who asked for a person."""
    asked_by: tuple[ActorType, UUID | None] = ("system", None)
    about: str = ""
    """What the agent needs to know besides."""


@dataclass(frozen=True, slots=True)
class Opened:
    id: UUID
    due_at: datetime
    due_zone: str
    """The bank's: what the customer is told of `due_at` in words is in it, and a page says the same."""

    def for_customer(self) -> dict[str, Any]:
        """What a customer may know of an escalation."""
        due = {"due_at": self.due_at.isoformat(), "due_zone": self.due_zone}
        return {"id": self.id, "status": "open", **due, "agent_id": None}


async def open_escalation_row(
    connection: AsyncConnection,
    keys: Keys,
    thread: Any,
    cause: Cause,
    found: Understanding | None,
    draft: str | None = None,
    citations: Sequence[Mapping[str, Any]] = (),
    listed: Situation | None = None,
) -> Opened:
    """Writes the escalation with its audit event. The same cause again finds the one that it opened.

    `listed` is its situation as the turn's policy has it.
    """
    opened_at = datetime.now(UTC)
    escalation_id = new_id()
    hours = settings_of(thread).hours
    due = due_at(cause.priority, opened_at, hours)
    language = found.language if found is not None else (thread.language or "en")
    row = await connection.execute(
        insert(Escalation)
        .values(
            tenant_id=keys.tenant_id,
            id=escalation_id,
            conversation_id=thread.id,
            turn=cause.turn,
            cause=cause.key,
            priority=cause.priority,
            queue=cause.queue,
            reason=cause.reason,
            situation=cause.situation,
            language=language,
            requested_by=cause.requested_by,
            summary_ct=keys.seal_text(_summary(cause, found, listed), SUMMARY, escalation_id),
            draft_ct=keys.seal_text(draft, DRAFT, escalation_id) if draft else None,
            draft_citations=[dict(each) for each in citations],
            opened_at=opened_at,
            due_at=due,
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "conversation_id", "cause"])
        .returning(Escalation.id)  # type: ignore[call-overload]
    )
    if row.scalar_one_or_none() is None:
        raise RuntimeError("an escalation of this cause is there, but its turn has not ended")
    await audit.record(
        connection,
        keys.tenant_id,
        "escalation.opened",
        actor=cause.asked_by,
        subject=("escalation", escalation_id),
        detail={"conversation_id": str(thread.id), "turn": cause.turn, "priority": cause.priority,
                "queue": cause.queue, "situation": cause.situation},
    )  # fmt: skip
    return Opened(escalation_id, due, hours.zone)


async def open_tickets(
    connection: AsyncConnection, work: Deliver, policy: Policy, thread: Any, received_at: datetime
) -> UUID | None:
    """One for each kind of regulated notice that is in the turn: a complaint's clock runs also where the same message
    disputes a charge. The id of the deciding situation's, or of the first.

    Where a person has the conversation, none is opened of a kind of which one is open there.
    """
    numbers = dict.fromkeys([*([] if work.situation is None else [work.situation]), *work.understanding.situations])
    opened: dict[str, UUID] = {}
    for listed in map(policy.situation, numbers):
        if listed.ticket is None or listed.action != "ticket_and_escalate" or listed.ticket.kind in opened:
            continue
        if work.forwarded and await _has_ticket(connection, work.ref, listed.ticket.kind):
            continue
        hours = settings_of(thread).hours
        opened[listed.ticket.kind] = await _open_ticket(connection, work.ref, listed, received_at, hours)
    return next(iter(opened.values()), None)


async def _has_ticket(connection: AsyncConnection, ref: TurnRef, kind: str) -> bool:
    where = {"tenant_id": ref.tenant_id, "conversation_id": ref.conversation_id, "kind": kind}
    return bool((await connection.execute(HAS_TICKET, where)).scalar_one())


async def _open_ticket(
    connection: AsyncConnection, ref: TurnRef, listed: Situation, received_at: datetime, hours: OfficeHours
) -> UUID:
    """A ticket with its due dates, counted from the receipt of the message."""
    assert listed.ticket is not None
    ticket_id = new_id()
    await connection.execute(
        insert(Ticket).values(
            tenant_id=ref.tenant_id,
            id=ticket_id,
            conversation_id=ref.conversation_id,
            turn=ref.turn,
            kind=listed.ticket.kind,
            priority=listed.priority,
            situation=listed.number,
            clocks=clocks(listed.ticket, received_at, hours),
            received_at=received_at,
        )
    )
    await audit.record(
        connection,
        ref.tenant_id,
        "ticket.opened",
        actor=("system", None),
        subject=("ticket", ticket_id),
        detail={"conversation_id": str(ref.conversation_id), "turn": ref.turn, "kind": listed.ticket.kind},
    )
    return ticket_id


def _summary(cause: Cause, found: Understanding | None, listed: Situation | None) -> str:
    """What an agent reads first. Built from what was recognised, without a model: it must not invent."""
    parts = [f"Reason: {cause.reason.replace('_', ' ')}.", *([cause.about] if cause.about else [])]
    if listed is not None:
        parts.append(f"Situation {listed.number} ({listed.source}).")
        if listed.person_duties:
            parts.append(f"Yours to do: {', '.join(duty.replace('_', ' ') for duty in listed.person_duties)}.")
    if found is not None:
        parts.append(f"Intent: {found.intent.replace('_', ' ')} ({found.intent_confidence:.0%}).")
        parts.append(f"Language: {found.language}.")
    return " ".join(parts)
