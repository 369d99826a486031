"""Anchors: checkpoints kept where the database's owner cannot change them. They are the log's real protection.

What is written there once is never needed to be read by the product, only by who verifies. A folder serves one machine;
put it on a volume that another account owns, or that is shipped off the machine as it grows. A bucket with object lock
(`helios.audit_log.s3`) is out of everybody's reach.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from helios.appending import append_line

if TYPE_CHECKING:
    from helios.settings import Settings


class Anchor(Protocol):
    """Somewhere to keep checkpoints. Both may raise `OSError`."""

    async def add(self, tenant_id: UUID, note: str) -> None: ...
    async def notes(self, tenant_id: UUID) -> Sequence[str]: ...


def anchor_of(config: Settings) -> Anchor:
    """Where these settings anchor."""
    if config.audit_anchor_s3_url:
        from helios.audit_log.s3 import S3Anchor

        return S3Anchor(config)
    return FolderAnchor(anchor_folder(config))


def anchor_folder(config: Settings) -> Path:
    """Where what must outlive the database is kept on this machine."""
    return config.audit_anchor_dir or config.home / "audit-anchor"


class FolderAnchor:
    """One file a tenant, one checkpoint a line (a JSON string), only ever appended to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def add(self, tenant_id: UUID, note: str) -> None:
        await asyncio.to_thread(append_line, self._path(tenant_id), json.dumps(note))

    async def notes(self, tenant_id: UUID) -> list[str]:
        return await asyncio.to_thread(self._read, self._path(tenant_id))

    def _path(self, tenant_id: UUID) -> Path:
        return self._folder / f"{tenant_id}.jsonl"

    @staticmethod
    def _read(path: Path) -> list[str]:
        if not path.exists():
            return []
        notes = []
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                notes.append(str(json.loads(line)))
            except json.JSONDecodeError:
                notes.append(line)  # not a checkpoint: the verifier says so
        return notes
