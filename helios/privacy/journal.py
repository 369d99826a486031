"""Who was erased, kept outside of the database: a restore of an older backup erases them again before any traffic.

One file a tenant, one customer a line, only ever appended to: ids and times. A line is written before the key is
destroyed, so that no erasure is missing; twice is once.
"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from helios.appending import append_line
from helios.audit_log.anchors import anchor_folder
from helios.settings import Settings


def folder(config: Settings) -> Path:
    return anchor_folder(config) / "erasures"


async def add(config: Settings, tenant_id: UUID, customer_id: UUID) -> None:
    """Raises `OSError`."""
    line = json.dumps({"customer_id": str(customer_id), "at": datetime.now(UTC).isoformat(timespec="seconds")})
    await asyncio.to_thread(append_line, folder(config) / f"{tenant_id}.jsonl", line)


def erased(config: Settings) -> dict[UUID, list[UUID]]:
    """Customers by tenant, in the order in which they were erased."""
    found: dict[UUID, list[UUID]] = {}
    for path in sorted(folder(config).glob("*.jsonl")):
        lines = path.read_text(encoding="utf-8").splitlines()
        found[UUID(path.stem)] = list(dict.fromkeys(UUID(json.loads(line)["customer_id"]) for line in lines))
    return found
