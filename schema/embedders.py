"""What travels when a tenant changes to another embedder: ids, names and counts. As in `schema.steps`, a field once
shipped keeps its name and type.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

EMBEDDER_CHANGE_WORKFLOW = "EmbedderChangeWorkflow"
SPACE_DIMENSIONS = (256, 384, 512, 768, 1024, 1536, 2048, 3072)
"""How many numbers a vector may have beside the local embedder's: each has an index of its own, which migrations
make."""


@dataclass(frozen=True, slots=True)
class ChangeRef:
    tenant_id: UUID
    change_id: UUID


@dataclass(frozen=True, slots=True)
class EmbedMore:
    """`after`: the last chunk that was looked at. None: from the beginning."""

    ref: ChangeRef
    after: UUID | None = None


@dataclass(frozen=True, slots=True)
class Embedded:
    """How far a change is after a step.

    open     it has neither switched nor been cancelled
    after    as in `EmbedMore`
    at_end   no chunk comes after it
    wait_s   what its embedder asked to wait for, or 0
    trouble  what the embedder failed with, or empty
    """

    open: bool
    total: int = 0
    done: int = 0
    after: UUID | None = None
    at_end: bool = False
    wait_s: float = 0.0
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Switched:
    """`switched` False: chunks are missing, or it was cancelled. `keep_s`: how long the old vectors stay."""

    switched: bool
    keep_s: float = 0.0


def embedder_change_workflow_id(ref: ChangeRef) -> str:
    """The codec reads the tenant from the first part, to choose its key."""
    return f"{ref.tenant_id}/embedder-change/{ref.change_id}"
