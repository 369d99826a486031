"""What travels between workflows and activities: ids, enums and scores. Text stays in the database.

Everything here is stored in Temporal's history, so a field once shipped is never renamed or retyped; new ones come with
a default.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

CONVERSATION_WORKFLOW = "ConversationWorkflow"
ESCALATION_WORKFLOW = "EscalationWorkflow"


def conversation_workflow_id(tenant_id: UUID, conversation_id: UUID) -> str:
    """The codec reads the tenant from the first part, to choose its key."""
    return f"{tenant_id}/conversation/{conversation_id}"


def escalation_workflow_id(tenant_id: UUID, escalation_id: UUID) -> str:
    """See `conversation_workflow_id`."""
    return f"{tenant_id}/escalation/{escalation_id}"


def parts_of_workflow(workflow_id: str) -> tuple[UUID, str, str]:
    """Its tenant, its kind and its subject. Raises `ValueError` for a workflow that is not ours."""
    tenant_id, kind, subject = workflow_id.split("/", 2)
    return UUID(tenant_id), kind, subject


def tenant_of_workflow(workflow_id: str) -> UUID:
    """Raises `ValueError` for a workflow that is not ours."""
    return UUID(workflow_id.split("/", 1)[0])


Outcome = Literal["answered", "held", "escalated", "blocked", "stopped", "failed"]
Action = Literal["approve", "edit", "reject", "respond", "resolve", "hand_back"]
Priority = Literal["P0", "P1", "P2", "P3", "P4"]
OPS_ACTIONS: tuple[Action, ...] = ("approve", "reject", "resolve", "hand_back")
DRAFT_ACTIONS: tuple[Action, ...] = ("approve", "edit", "reject")
CLOSING_ACTIONS: tuple[Action, ...] = ("resolve", "hand_back")


@dataclass(frozen=True, slots=True)
class ConversationRef:
    tenant_id: UUID
    conversation_id: UUID


@dataclass(frozen=True, slots=True)
class TurnRef:
    tenant_id: UUID
    conversation_id: UUID
    turn: int


@dataclass(slots=True)
class ConversationState:
    """All that a conversation's workflow remembers; carried through continue-as-new."""

    tenant_id: UUID
    conversation_id: UUID
    idle_s: float = 900.0
    """Quiet time after which the run ends. The conversation stays open; the next message starts a new run."""
    requested_turn: int = 0
    done_turn: int = 0
    requests: list[RequestHuman] = field(default_factory=list)
    """Requests for a human that no step has taken up."""
    closed: bool = False
    corrections: list[Correction] = field(default_factory=list)
    """Withdrawn versions of which the customer has yet to be told."""


@dataclass(frozen=True, slots=True)
class PostMessage:
    message_id: UUID
    turn: int


@dataclass(frozen=True, slots=True)
class Stop:
    turn: int


@dataclass(frozen=True, slots=True)
class RequestHuman:
    """`requested_by` is a customer or a member of staff; the latter may not approve what comes of it."""

    request_id: UUID
    requested_by: UUID


@dataclass(frozen=True, slots=True)
class Correction:
    """Answers of the conversation rest on a version that was withdrawn."""

    source_id: UUID
    version: int


@dataclass(frozen=True, slots=True)
class ScoredPassage:
    chunk_id: UUID
    score: float


@dataclass(frozen=True, slots=True)
class Understanding:
    """What screening, intent and retrieval found about one turn.

    state  `begun`; `done`: the turn ended before this step was tried again; `with_human`: a person answers, not the AI
    """

    turn: int
    state: Literal["begun", "done", "with_human"]
    language: str = "en"
    intent: str = "other"
    intent_confidence: float = 0.0
    situations: list[int] = field(default_factory=list)
    verdict: Literal["answer", "escalate", "refuse"] = "answer"
    situation: int | None = None
    """The situation that decided the verdict."""
    reason: str = ""
    passages: list[ScoredPassage] = field(default_factory=list)
    generators: list[str] = field(default_factory=list)
    wants_draft: bool = False
    """A person decides, and a draft helps them: not in a crisis, and not where somebody asked for a person."""
    step_ms: dict[str, int] = field(default_factory=dict)
    policy_version: int = 1
    status: str = "active"
    """The conversation's, when the turn began."""
    channel: str = "other"
    """As Temporal may show it: see `schema/visibility.py`."""
    redaction_version: int = 1
    intents_version: int = 1
    """Of the tenant's intents: the model that named this turn's."""
    embedder: str = "local"
    """Whose vectors the passages were searched with."""
    embedder_failure: str = ""
    """Why not the ones of the embedder that the tenant chose: see `helios.embedders.asking`. Empty: it was."""


@dataclass(frozen=True, slots=True)
class Generate:
    """`escalation_id` set: a draft for the agent, released to nobody."""

    ref: TurnRef
    generator: str
    understanding: Understanding
    escalation_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Generated:
    """status  `complete`; `held`: a person must look; `blocked`: none of it may be sent; `stopped` by the customer."""

    status: Literal["complete", "held", "blocked", "stopped"]
    supported: bool = True
    situation: int | None = None
    reasons: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Deliver:
    ref: TurnRef
    outcome: Outcome
    understanding: Understanding
    reason: str = ""
    situation: int | None = None
    supported: bool = True
    forwarded: bool = False
    """The conversation is with a person: the turn ends without a reply."""


@dataclass(frozen=True, slots=True)
class Delivered:
    outcome: Outcome
    escalation_id: UUID | None = None
    offers_human: bool = False
    raised: bool = False
    """What was said may press more than what the escalation was opened for: its clock is to be looked at again."""


@dataclass(frozen=True, slots=True)
class OpenEscalation:
    ref: ConversationRef
    request_id: UUID
    requested_by: UUID


@dataclass(frozen=True, slots=True)
class EscalationRef:
    tenant_id: UUID
    escalation_id: UUID


@dataclass(slots=True)
class EscalationState:
    """All that an escalation's workflow remembers; deadlines are absolute, so that they survive continue-as-new."""

    tenant_id: UUID
    escalation_id: UUID
    conversation_id: UUID
    understanding: Understanding | None = None
    """Set where a draft is wanted for the agent."""
    deadlines: list[Deadline] = field(default_factory=list)
    loaded: bool = False
    closed: bool = False
    draft_decided: bool = False


@dataclass(frozen=True, slots=True)
class Deadline:
    """kind  `warning`, `breach`: a supervisor's queue and a safe message, `abandoned`: decided long ago, closed"""

    kind: Literal["warning", "breach", "abandoned"]
    at: datetime


@dataclass(frozen=True, slots=True)
class Decide:
    """The update and the signal `decide`. The text of the decision, if any, is stored under `decision_id` first."""

    decision_id: UUID
    action: Action
    actor_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """The updates `claim`, `release` and `assign`; `agent_id` is who shall hold it."""

    actor_id: UUID
    agent_id: UUID | None = None
    by_supervisor: bool = False


@dataclass(frozen=True, slots=True)
class ApplyDecision:
    ref: EscalationRef
    decision: Decide
    by_ops: bool = False


@dataclass(frozen=True, slots=True)
class ApplyClaim:
    ref: EscalationRef
    claim: Claim
    release: bool = False


@dataclass(frozen=True, slots=True)
class ApplyDeadline:
    ref: EscalationRef
    deadline: Deadline


@dataclass(frozen=True, slots=True)
class EscalationOutcome:
    """The escalation after a step, as its workflow needs it."""

    status: Literal["open", "claimed", "decided", "closed"]
    draft_decided: bool
    deadlines: list[Deadline]
