"""What travels between an evaluation and its steps: ids and numbers."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

EVALUATION_WORKFLOW = "EvaluationWorkflow"


@dataclass(frozen=True, slots=True)
class EvaluationRef:
    tenant_id: UUID
    evaluation_id: UUID


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Answers that were looked at: of each case one, or two where there is a draft."""

    total: int
    done: int


def evaluation_workflow_id(ref: EvaluationRef) -> str:
    """The codec reads the tenant from the first part, to choose its key."""
    return f"{ref.tenant_id}/evaluation/{ref.evaluation_id}"
