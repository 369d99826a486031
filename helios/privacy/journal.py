"""Who was erased, kept outside of the database: a restore of an older backup erases them again before any traffic.

One file a tenant, one customer a line, only ever appended to: ids and times. A line is written before the key is
destroyed, so that no erasure is missing; twice is once.
"""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from helios.settings import Settings


def folder(config: Settings) -> Path:
    return (config.audit_anchor_dir or config.home / "audit-anchor") / "erasures"


async def add(config: Settings, tenant_id: UUID, customer_id: UUID) -> None:
    """Raises `OSError`."""
    await asyncio.to_thread(_append, folder(config) / f"{tenant_id}.jsonl", customer_id)


def erased(config: Settings) -> dict[UUID, list[UUID]]:
    """Customers by tenant, in the order in which they were erased."""
    found: dict[UUID, list[UUID]] = {}
    for path in sorted(folder(config).glob("*.jsonl")):
        lines = path.read_text(encoding="utf-8").splitlines()
        found[UUID(path.stem)] = list(dict.fromkeys(UUID(json.loads(line)["customer_id"]) for line in lines))
    return found


def _append(path: Path, customer_id: UUID) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    line = json.dumps({"customer_id": str(customer_id), "at": datetime.now(UTC).isoformat(timespec="seconds")})
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, line.encode() + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
