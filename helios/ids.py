"""Identifiers and where workflows are called what. Ids are UUIDv7: they sort by the time they were made."""

from __future__ import annotations

from uuid import UUID

import uuid_utils.compat

NO_TENANT = UUID(int=0)


def new_id() -> UUID:
    """A UUIDv7."""
    return uuid_utils.compat.uuid7()


def conversation_workflow_id(tenant_id: UUID, conversation_id: UUID) -> str:
    """The codec reads the tenant from the first part, to choose its key."""
    return f"{tenant_id}/conversation/{conversation_id}"


def escalation_workflow_id(tenant_id: UUID, escalation_id: UUID) -> str:
    """See `conversation_workflow_id`."""
    return f"{tenant_id}/escalation/{escalation_id}"


def tenant_of_workflow(workflow_id: str) -> UUID:
    """Raises `ValueError` for a workflow that is not ours."""
    return UUID(workflow_id.split("/", 1)[0])
