"""What travels between the workflows of privacy and their activities: ids and counts. As in `schema.steps`, a field
once shipped keeps its name and type.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

ACCESS_WORKFLOW = "AccessWorkflow"
ERASURE_WORKFLOW = "ErasureWorkflow"
RETENTION_WORKFLOW = "RetentionWorkflow"

RequestKind = Literal["access", "erasure"]
Verification = Literal["signed_in", "in_person", "document", "callback", "known_details"]
"""How the person who asks was known to be the customer."""
RequestStatus = Literal["awaiting_verification", "awaiting_approval", "running", "held", "done", "refused"]
RecordClass = Literal["communications", "complaints", "disputes", "money_laundering", "books"]


@dataclass(frozen=True, slots=True)
class RequestRef:
    tenant_id: UUID
    request_id: UUID


def request_workflow_id(ref: RequestRef, kind: RequestKind) -> str:
    """The codec reads the tenant from the first part, to choose its key."""
    return f"{ref.tenant_id}/{kind}/{ref.request_id}"


@dataclass(frozen=True, slots=True)
class TenantRef:
    tenant_id: UUID


def retention_id(tenant_id: UUID) -> str:
    """Of the schedule; its runs have the time behind it."""
    return f"{tenant_id}/retention/daily"
