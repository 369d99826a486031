"""What travels between the workflow that looks for knowledge gaps and its steps."""

from __future__ import annotations

from uuid import UUID

GAPS_WORKFLOW = "KnowledgeGapsWorkflow"


def gaps_id(tenant_id: UUID) -> str:
    """Of the schedule; its runs have the time behind it. Of a run that somebody asked for, as it is."""
    return f"{tenant_id}/knowledge-gaps/daily"
