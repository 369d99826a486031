"""What travels between the replay of a policy and its steps: ids, numbers and a place in the list of turns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

POLICY_REPLAY_WORKFLOW = "PolicyReplayWorkflow"
TURNS_MOST = 10_000


@dataclass(frozen=True, slots=True)
class ReplayRef:
    tenant_id: UUID
    replay_id: UUID


@dataclass(frozen=True, slots=True)
class Place:
    """The turn that was looked at last. The newest come first."""

    received_at: datetime
    conversation_id: UUID
    turn: int


@dataclass(frozen=True, slots=True)
class ReplayBatch:
    ref: ReplayRef
    after: Place | None = None
    done: int = 0


@dataclass(frozen=True, slots=True)
class Replayed:
    """`after` None: that was all."""

    done: int
    total: int
    after: Place | None = None


def policy_replay_workflow_id(ref: ReplayRef) -> str:
    """The codec reads the tenant from the first part, to choose its key."""
    return f"{ref.tenant_id}/policy-replay/{ref.replay_id}"
