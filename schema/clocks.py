"""What travels between a ticket's clock and its steps: ids, names and moments.

As in `schema.steps`, a field once shipped keeps its name and type.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

CLOCK_WORKFLOW = "ClockWorkflow"


@dataclass(frozen=True, slots=True)
class TicketRef:
    tenant_id: UUID
    ticket_id: UUID


@dataclass(frozen=True, slots=True)
class Alarm:
    """A moment at which a running clock warns, or is breached."""

    clock: str
    kind: Literal["warning", "breach"]
    at: datetime


@dataclass(frozen=True, slots=True)
class Ring:
    ref: TicketRef
    alarm: Alarm


@dataclass(frozen=True, slots=True)
class Ticking:
    """The ticket as its clock needs it: what is shown of it, and the alarms to come, the earliest first."""

    status: Literal["open", "warned", "breached", "closed"]
    alarms: list[Alarm] = field(default_factory=list)


def clock_workflow_id(ref: TicketRef) -> str:
    """The codec reads the tenant from the first part, to choose its key."""
    return f"{ref.tenant_id}/clock/{ref.ticket_id}"
