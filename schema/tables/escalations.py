"""What goes to people: tickets with their due dates, escalations and decisions."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    DateTime,
    Index,
    UniqueConstraint,
    text,
)
from sqlmodel import Field

from schema.tables.columns import OfTenant, foreign_key, json_column, now_column, sealed_column, time_column


class Ticket(OfTenant, table=True):
    """A case with its regulated due dates. Clocks start when the message was received, not when the ticket was made."""

    __tablename__ = "tickets"
    __table_args__ = (
        foreign_key("threads", "conversation_id"),
        UniqueConstraint("tenant_id", "conversation_id", "turn", "kind"),
        Index("ix_tickets_unstarted", "tenant_id", "id", postgresql_where=text("clock_started_at IS NULL")),
    )
    conversation_id: UUID
    turn: int
    kind: str
    status: str = "open"
    priority: str
    situation: int
    clocks: list[dict[str, Any]] = json_column("[]")
    received_at: datetime = Field(sa_type=DateTime(timezone=True))
    created_at: datetime = now_column()
    closed_at: datetime | None = time_column()
    clock_started_at: datetime | None = time_column()
    """None: a worker has yet to start its clock."""


class TicketEvent(OfTenant, table=True):
    """The history of a ticket: alarms of its clocks, and what people did, with their reason."""

    __tablename__ = "ticket_events"
    __table_args__ = (
        foreign_key("tickets", "ticket_id"),
        Index("ix_ticket_events_ticket", "tenant_id", "ticket_id", "created_at", "id"),
    )
    ticket_id: UUID
    type: str
    clock: str | None = None
    actor_id: UUID | None = None
    reason_ct: bytes | None = sealed_column()
    created_at: datetime = now_column()


class Escalation(OfTenant, table=True):
    __tablename__ = "escalations"
    __table_args__ = (
        foreign_key("threads", "conversation_id"),
        UniqueConstraint("tenant_id", "conversation_id", "cause"),
        Index("ix_escalations_status", "tenant_id", "status", "id"),
    )
    conversation_id: UUID
    turn: int
    cause: str
    """`turn:<n>`, `request:<id>` or `correction:<source>:<version>`: the same cause opens one escalation."""
    status: str = "open"
    priority: str
    queue: str
    reason: str
    situation: int | None = None
    language: str = "en"
    requested_by: UUID | None = None
    summary_ct: bytes | None = sealed_column()
    draft_ct: bytes | None = sealed_column()
    draft_citations: list[dict[str, Any]] = json_column("[]")
    opened_at: datetime = now_column()
    due_at: datetime = Field(sa_type=DateTime(timezone=True))
    breached_at: datetime | None = time_column()
    claimed_by: UUID | None = None
    claimed_at: datetime | None = time_column()
    decision_id: UUID | None = None
    decided_at: datetime | None = time_column()
    closed_at: datetime | None = time_column()


class Decision(OfTenant, table=True):
    """What a person decided. The text is stored first; the workflow only ever sees its id."""

    __tablename__ = "decisions"
    __table_args__ = (
        foreign_key("escalations", "escalation_id"),
        Index(
            "uq_decisions_draft",
            "tenant_id",
            "escalation_id",
            unique=True,
            postgresql_where=text("status = 'applied' AND action IN ('approve', 'edit', 'reject')"),
        ),
    )
    escalation_id: UUID
    action: str
    actor_id: UUID | None = None
    """Empty for ops, who decide by a signal from the Temporal UI."""
    content_ct: bytes | None = sealed_column()
    note_ct: bytes | None = sealed_column()
    status: str = "pending"
    refusal: str | None = None
    message_id: UUID | None = None
    created_at: datetime = now_column()
    applied_at: datetime | None = time_column()
