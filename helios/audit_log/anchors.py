"""Anchors: checkpoints kept where the database's owner cannot change them. They are the log's real protection. Beside
them is what must outlive the database, too: the notes by which one signing key follows another
(`helios.audit_log.key_chain`), and the list of erasures (`helios.privacy.journal`).

What is written there once is read by who verifies and by a restore only. A folder serves one machine; put it on a
volume that another account owns, or that is shipped off the machine as it grows. A bucket with object lock
(`helios.audit_log.s3`) is out of everybody's reach.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, get_args
from uuid import UUID

from helios.appending import append_line

if TYPE_CHECKING:
    from helios.settings import Settings


Kept = Literal["checkpoints", "keys", "erasures"]
KEPT: tuple[Kept, ...] = get_args(Kept)


class Anchor(Protocol):
    """Somewhere to keep signed notes. Both may raise `OSError`."""

    async def add(self, tenant_id: UUID, note: str, kept: Kept = "checkpoints") -> None: ...
    async def notes(self, tenant_id: UUID, kept: Kept = "checkpoints") -> Sequence[str]: ...


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
    """One file a tenant and kind, one note a line (a JSON string), only ever appended to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def add(self, tenant_id: UUID, note: str, kept: Kept = "checkpoints") -> None:
        await asyncio.to_thread(append_line, self._path(tenant_id, kept), json.dumps(note))

    async def notes(self, tenant_id: UUID, kept: Kept = "checkpoints") -> list[str]:
        return await asyncio.to_thread(self._read, self._path(tenant_id, kept))

    def _path(self, tenant_id: UUID, kept: Kept) -> Path:
        return (self._folder if kept == "checkpoints" else self._folder / kept) / f"{tenant_id}.jsonl"

    @staticmethod
    def _read(path: Path) -> list[str]:
        if not path.exists():
            return []
        notes = []
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                notes.append(str(json.loads(line)))
            except json.JSONDecodeError:
                notes.append(line)  # no note of ours: who verifies says so
        return notes
