"""What travels between the training of a tenant's intents and its steps: ids, counts and codes. Examples stay in the
database. As in `schema.steps`, a field once shipped keeps its name and type.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

INTENT_TRAINING_WORKFLOW = "IntentTrainingWorkflow"

FAILURES: dict[str, str] = {
    "too_costly": "Training takes more than 15 minutes of CPU or 3 GiB: hand in fewer examples.",
    "internal": "It could not be trained for a reason on our side: hand it in again.",
}
"""Why a version is `failed`, with what its author is told."""


@dataclass(frozen=True, slots=True)
class IntentsRef:
    tenant_id: UUID
    version: int


@dataclass(frozen=True, slots=True)
class Encoded:
    """Examples of a version: all, and those that have their vectors."""

    total: int
    done: int


@dataclass(frozen=True, slots=True)
class FailTraining:
    ref: IntentsRef
    code: str
    """One of `FAILURES`."""


def training_queue(batch_queue: str) -> str:
    """Where the step that computes for minutes waits: on the batch queue it would hold up everybody's."""
    return f"{batch_queue}-training"


def intent_training_workflow_id(ref: IntentsRef) -> str:
    """The codec reads the tenant from the first part, to choose its key."""
    return f"{ref.tenant_id}/intent-training/{ref.version}"
