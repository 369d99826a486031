"""An audit event as bytes: the canonical JSON (RFC 8785) of its row. It holds ids, enums and scores, and no person.

Whoever has these bytes can check them without us: a leaf of the tree is SHA-256 over 0x00 and the bytes.
"""

from __future__ import annotations

from datetime import UTC
from typing import Any, Final

import rfc8785

COLUMNS: Final = "audits.id, action, actor_type, actor_id, subject_type, subject_id, detail, occurred_at"


def canonical(tenant_id: Any, row: Any) -> bytes:
    """`row` has the columns of `COLUMNS`."""
    return rfc8785.dumps(
        {
            "tenant_id": str(tenant_id),
            "id": str(row.id),
            "action": row.action,
            "actor": {"type": row.actor_type, "id": _text(row.actor_id)},
            "subject": {"type": row.subject_type, "id": _text(row.subject_id)},
            "detail": row.detail,
            "occurred_at": row.occurred_at.astimezone(UTC).isoformat(timespec="microseconds"),
        }
    )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
