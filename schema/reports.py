"""What travels between the workflow that makes reports and its step."""

from __future__ import annotations

from uuid import UUID

REPORTS_WORKFLOW = "ReportsWorkflow"


def reports_id(tenant_id: UUID) -> str:
    """Of the schedule; its runs have the time behind it."""
    return f"{tenant_id}/reports/daily"
