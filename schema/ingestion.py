"""What travels between the workflows of knowledge and their activities: ids, counts and codes. Text stays in the
database. As in `schema.steps`, a field once shipped keeps its name and type.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

INGESTION_WORKFLOW = "IngestionWorkflow"
PUBLICATION_WORKFLOW = "PublicationWorkflow"
SYNC_WORKFLOW = "SyncWorkflow"

FAILURES: dict[str, str] = {
    "empty": "There is no text in it.",
    "not_text": "It is not readable as text in any encoding that we know.",
    "too_long": "It has more than 2,000,000 characters of text: hand it in as several sources.",
    "protected": "It opens with a password only.",
    "malformed": "It is damaged, or not what its name says.",
    "too_costly": "Reading it takes more than 30 s or 512 MiB.",
    "unreachable": "Its address gave no page within 30 s: look whether it is open to everybody.",
    "address_refused": "Its address, or one that it leads on to, is not a public one.",
    "unsupported": "Files of this kind are not read.",
    "internal": "It could not be ingested for a reason on our side: hand it in again.",
}
"""Why a version is `failed`, with what its editor is told."""


@dataclass(frozen=True, slots=True)
class VersionRef:
    tenant_id: UUID
    source_id: UUID
    version: int


@dataclass(frozen=True, slots=True)
class Progress:
    """Chunks of a version: all, those stored, and those of them whose vectors an earlier version had."""

    total: int
    done: int
    reused: int = 0


@dataclass(frozen=True, slots=True)
class FailVersion:
    ref: VersionRef
    code: str
    """One of `FAILURES`."""


@dataclass(frozen=True, slots=True)
class Publish:
    """An approval that names a moment. `at` tells it from an earlier approval of the same version."""

    ref: VersionRef
    at: datetime


@dataclass(frozen=True, slots=True)
class Synced:
    """Whether something was due, and the version that came of it, which is to be ingested."""

    found: bool
    version: VersionRef | None = None


def sync_id(tenant_id: UUID) -> str:
    """Of the schedule, whose runs have the time behind it, and of a run that was asked for."""
    return f"{tenant_id}/sync/pages"


def ingestion_workflow_id(ref: VersionRef) -> str:
    """The codec reads the tenant from the first part, to choose its key."""
    return f"{ref.tenant_id}/ingestion/{ref.source_id}:{ref.version}"


def publication_workflow_id(ref: VersionRef) -> str:
    """See `ingestion_workflow_id`."""
    return f"{ref.tenant_id}/publication/{ref.source_id}:{ref.version}"
