"""Anchors: checkpoints kept where the database's owner cannot change them. They are the log's real protection.

What is written there once is never needed to be read by the product, only by who verifies. A folder serves one machine;
put it on a volume that another account owns, or that is shipped off the machine as it grows. A bucket with object lock
(`helios.audit_log.s3`) is out of everybody's reach.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

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
    return FolderAnchor(config.audit_anchor_dir or config.home / "audit-anchor")


class FolderAnchor:
    """One file a tenant, one checkpoint a line (a JSON string), only ever appended to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def add(self, tenant_id: UUID, note: str) -> None:
        await asyncio.to_thread(self._append, self._path(tenant_id), note)

    async def notes(self, tenant_id: UUID) -> list[str]:
        return await asyncio.to_thread(self._read, self._path(tenant_id))

    def _path(self, tenant_id: UUID) -> Path:
        return self._folder / f"{tenant_id}.jsonl"

    def _append(self, path: Path, note: str) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, json.dumps(note).encode() + b"\n")
            os.fsync(handle)
        finally:
            os.close(handle)

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
