"""Which of the work that nobody waits for on the line goes first, where workers are behind. Within one priority the
tenants take turns: what one of them piles up makes no other wait.
"""

from __future__ import annotations

from uuid import UUID

from temporalio.common import Priority

from schema.embedders import EMBEDDER_CHANGE_WORKFLOW
from schema.evaluations import EVALUATION_WORKFLOW
from schema.ingestion import INGESTION_WORKFLOW, PUBLICATION_WORKFLOW
from schema.intents import INTENT_TRAINING_WORKFLOW
from schema.knowledge_gaps import GAPS_WORKFLOW
from schema.policy_replay import POLICY_REPLAY_WORKFLOW
from schema.privacy import ACCESS_WORKFLOW, ERASURE_WORKFLOW

ORDINARY = 3
PRIORITY_KEYS = {
    ERASURE_WORKFLOW: 1,
    ACCESS_WORKFLOW: 1,
    PUBLICATION_WORKFLOW: 1,
    INGESTION_WORKFLOW: 2,
    EVALUATION_WORKFLOW: 4,
    GAPS_WORKFLOW: 4,
    POLICY_REPLAY_WORKFLOW: 4,
    INTENT_TRAINING_WORKFLOW: 5,
    EMBEDDER_CHANGE_WORKFLOW: 5,
}
"""1 goes first: somebody's right, and what was promised for a time. 5 goes last: what computes for minutes."""


def batch_priority(workflow: str, tenant_id: UUID) -> Priority:
    """For a workflow's start; its activities inherit it."""
    return Priority(priority_key=PRIORITY_KEYS.get(workflow, ORDINARY), fairness_key=str(tenant_id))
