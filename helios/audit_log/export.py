"""The examiner's archive: a tenant's events with all that is needed to verify them without us.

manifest.json      what it is (`helioscs-audit-export/1`), and the SHA-256 of every other file
events.jsonl       one canonical event a line, in the log's order: the bytes that are hashed
events.csv         the same for a spreadsheet
checkpoints.jsonl  every signed checkpoint, oldest first
keys.json          the public keys that sign, oldest first
key_changes.jsonl  the notes by which each but the first was put in
proofs.jsonl       for each event its place and the hashes that lead from it to the last checkpoint's root
verify.py          a verifier that needs Python's standard library only
"""

from __future__ import annotations

import asyncio
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from helios.audit_log.checkpoints import Checkpoint
from helios.audit_log.entries import COLUMNS, canonical
from helios.audit_log.keys import signing_keys
from helios.audit_log.merkle import inclusion_proof, leaf_hash, node_hash
from helios.audit_log.signed_notes import verifier_key
from helios.audit_log.standalone import FORMAT, table
from helios.crypto import RootKey
from helios.database import Database

VERIFIER: Final = Path(__file__).with_name("standalone.py")
SEALED = text(
    f"""
    SELECT {COLUMNS} FROM audit_leaves AS leaf
    JOIN audits ON audits.tenant_id = leaf.tenant_id AND audits.id = leaf.event_id
    WHERE leaf.tenant_id = :tenant_id AND leaf.position < :size ORDER BY leaf.position
    """  # noqa: S608 - a constant of ours
)
NOTES = text("SELECT size, note FROM audit_checkpoints WHERE tenant_id = :tenant_id ORDER BY size")


@dataclass(frozen=True, slots=True)
class _Log:
    tenant_id: UUID
    events: list[bytes]
    notes: Sequence[str]
    keys: Sequence[str]
    key_changes: Sequence[str]


class NothingSealed(Exception):
    """There is nothing to export."""


class TooManyEvents(Exception):
    """More than the caller wants to hold in memory."""


async def write_export(
    database: Database, root: RootKey, tenant_id: UUID, path: Path, events_max: int | None = None
) -> int:
    """Writes the archive and returns how many events are in it: all that are sealed.

    Raises `NothingSealed`, and `TooManyEvents` for more than `events_max`.
    """
    async with database.tenant(tenant_id, snapshot=True) as connection:
        notes = (await connection.execute(NOTES, {"tenant_id": tenant_id})).all()
        if not notes:
            raise NothingSealed("no event of this tenant is sealed")
        if events_max is not None and notes[-1].size > events_max:
            raise TooManyEvents(f"{notes[-1].size} events are more than {events_max}: use `helios audit export`")
        rows = await connection.execute(SEALED, {"tenant_id": tenant_id, "size": notes[-1].size})
        events = [canonical(tenant_id, row) for row in rows]
        keys = await signing_keys(connection, root, tenant_id)
    origin = Checkpoint(tenant_id, 0, b"").origin
    public = [verifier_key(origin, key) for key in keys.public]
    log = _Log(tenant_id, events, [row.note for row in notes], public, keys.notes)
    await asyncio.to_thread(_write, log, path)
    return len(events)


def _write(log: _Log, path: Path) -> None:
    files = {
        "events.jsonl": b"".join(event + b"\n" for event in log.events),
        "events.csv": table(log.events),
        "checkpoints.jsonl": b"".join(json.dumps(note).encode() + b"\n" for note in log.notes),
        "keys.json": json.dumps(log.keys, indent=2).encode() + b"\n",
        "key_changes.jsonl": b"".join(json.dumps(note).encode() + b"\n" for note in log.key_changes),
        "proofs.jsonl": b"".join(_proofs(log.events)),
        "verify.py": VERIFIER.read_bytes(),
    }
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "tenant_id": str(log.tenant_id),
        "events": len(log.events),
        "exported_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "hash": "SHA-256, RFC 6962 tree over RFC 8785 JSON",
        "files": {name: sha256(content).hexdigest() for name, content in files.items()},
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", json.dumps(manifest, indent=2) + "\n")
        for name, content in files.items():
            archive.writestr(name, content)


def _proofs(events: Sequence[bytes]) -> list[bytes]:
    """Roots of every perfect subtree are made once: a proof then is some look-ups and one sum at the ragged end."""
    levels = [[leaf_hash(event) for event in events]]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([node_hash(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)])

    def root_of(start: int, end: int) -> bytes:
        size = end - start
        if size & (size - 1) == 0:
            return levels[size.bit_length() - 1][start // size]
        middle = start + (1 << (size - 1).bit_length() - 1)
        return node_hash(root_of(start, middle), root_of(middle, end))

    lines = []
    for position in range(len(events)):
        path = [each.hex() for each in inclusion_proof(position, len(events), root_of)]
        lines.append(json.dumps({"position": position, "size": len(events), "path": path}).encode() + b"\n")
    return lines
