"""What travels when the customers of a withdrawn version are followed up: ids, numbers and codes. As in `schema.steps`,
a field once shipped keeps its name and type.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from schema.steps import ConversationRef, Correction

FOLLOW_UP_WORKFLOW = "FollowUpWorkflow"

CorrectionStatus = Literal["pending", "told", "person", "left_out"]
"""`told`: the correction stands in the conversation; `person`: somebody takes it up; `left_out`: the customer was
erased meanwhile."""


@dataclass(frozen=True, slots=True)
class FollowUpRef:
    tenant_id: UUID
    follow_up_id: UUID


@dataclass(frozen=True, slots=True)
class FollowedUp:
    """Conversations of a follow-up: all, and those that are done."""

    total: int
    done: int


@dataclass(frozen=True, slots=True)
class CorrectConversation:
    ref: ConversationRef
    correction: Correction


@dataclass(frozen=True, slots=True)
class Corrected:
    status: CorrectionStatus
    escalation_id: UUID | None = None
    """Of the escalation that was opened for it."""
    waits: bool = False
    """The conversation waits for that person; else the AI goes on."""
    closed: bool = False
    """The conversation is closed: its workflow has nothing more to wait for."""


def follow_up_workflow_id(ref: FollowUpRef) -> str:
    """The codec reads the tenant from the first part, to choose its key."""
    return f"{ref.tenant_id}/follow-up/{ref.follow_up_id}"
