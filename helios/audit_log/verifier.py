"""Verification: reads a tenant's whole log again and holds it against its tree, its signatures and its anchors.

Every event is hashed anew from its row, so a change of one byte shows, and the first bad entry is named. What is
checked comes from the database; whom it is held against are the checkpoints that only the root key's holder can sign,
and the anchors, which are not in the database.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios.audit_log.anchors import Anchor
from helios.audit_log.checkpoints import CheckpointError, verify
from helios.audit_log.entries import COLUMNS, canonical
from helios.audit_log.keys import signing_keys
from helios.audit_log.merkle import Frontier, leaf_hash
from helios.audit_log.sealer import BLOCK, BLOCK_LEVEL
from helios.crypto import CryptoError, RootKey
from helios.database import Database

PAGE: Final = 5000

LEAVES = text(
    f"""
    SELECT leaf.position, leaf.event_id, leaf.hash, {COLUMNS}
    FROM audit_leaves AS leaf LEFT JOIN audits ON audits.tenant_id = leaf.tenant_id AND audits.id = leaf.event_id
    WHERE leaf.tenant_id = :tenant_id AND leaf.position >= :first ORDER BY leaf.position LIMIT :page
    """  # noqa: S608 - a constant of ours
)
CHECKPOINTS = text(
    "SELECT size, root, note, sealed_below FROM audit_checkpoints WHERE tenant_id = :tenant_id ORDER BY size"
)
BLOCKS = text("SELECT number, root FROM audit_blocks WHERE tenant_id = :tenant_id")
LATE = text(
    """
    SELECT id FROM audits
    WHERE tenant_id = :tenant_id AND xid < CAST(CAST(CAST(:sealed_below AS bigint) AS text) AS xid8)
      AND NOT EXISTS (SELECT FROM audit_leaves WHERE tenant_id = :tenant_id AND event_id = audits.id)
    ORDER BY xid, id LIMIT 1
    """
)


class Verdict(IntEnum):
    """The exit codes of `helios audit verify`."""

    GOOD = 0
    TAMPERED = 1
    GAP = 2
    BAD_SIGNATURE = 3
    AGAINST_ANCHOR = 4


@dataclass(frozen=True, slots=True)
class Report:
    """position  of the first bad entry, from 0, where it is one entry that is bad"""

    tenant_id: UUID
    verdict: Verdict
    size: int
    """Entries that were read."""
    detail: str
    position: int | None = None
    event_id: UUID | None = None
    anchored: int = 0
    """Anchored checkpoints that were held against the log."""


class _Bad(Exception):
    def __init__(
        self, verdict: Verdict, detail: str, position: int | None = None, event_id: UUID | None = None
    ) -> None:
        super().__init__(detail)
        self.verdict, self.position, self.event_id = verdict, position, event_id


@dataclass(slots=True)
class _Expected:
    """Roots by size that somebody signed: to be met while the tree grows again."""

    stored: dict[int, bytes] = field(default_factory=dict)
    anchored: dict[int, bytes] = field(default_factory=dict)


async def verify_log(database: Database, root: RootKey, anchor: Anchor | None, tenant_id: UUID) -> Report:
    """Reads a log from its first event to its last."""
    frontier = Frontier()
    expected = _Expected()
    # Anchors first: what is sealed after they were read is in neither.
    notes = await anchor.notes(tenant_id) if anchor is not None else []
    try:
        async with database.tenant(tenant_id, snapshot=True) as connection:
            keys = await _public_keys(connection, root, tenant_id)
            checkpoints = (await connection.execute(CHECKPOINTS, {"tenant_id": tenant_id})).all()
            expected.stored = _signed_roots(checkpoints, keys, tenant_id)
            expected.anchored = anchored_roots(notes, keys, tenant_id)
            await _grow_again(connection, tenant_id, frontier, expected)
            _hold_against_the_end(frontier.size, expected)
            if checkpoints:
                await _look_for_late_ones(connection, tenant_id, checkpoints[-1].sealed_below)
    except _Bad as bad:
        return Report(tenant_id, bad.verdict, frontier.size, str(bad), bad.position, bad.event_id)
    return Report(tenant_id, Verdict.GOOD, frontier.size, "good", anchored=len(expected.anchored))


async def _public_keys(connection: AsyncConnection, root: RootKey, tenant_id: UUID) -> list[Ed25519PublicKey]:
    try:
        return (await signing_keys(connection, root, tenant_id)).public
    except CryptoError as error:
        raise _Bad(Verdict.BAD_SIGNATURE, f"the log's key was replaced: {error}") from error


def _signed_roots(checkpoints: Sequence[Any], keys: list[Ed25519PublicKey], tenant_id: UUID) -> dict[int, bytes]:
    roots = {}
    for row in checkpoints:
        try:
            checkpoint = verify(row.note, keys)
        except CheckpointError as error:
            raise _Bad(Verdict.BAD_SIGNATURE, f"checkpoint {row.size}: {error}") from error
        if (checkpoint.tenant_id, checkpoint.size, checkpoint.root) != (tenant_id, row.size, row.root):
            raise _Bad(Verdict.BAD_SIGNATURE, f"checkpoint {row.size} is the signed note of another")
        roots[checkpoint.size] = checkpoint.root
    return roots


def anchored_roots(notes: Sequence[str], keys: list[Ed25519PublicKey], tenant_id: UUID) -> dict[int, bytes]:
    """After a signed restore the lost entries count no more; the same note at another time would hide a cut."""
    roots: dict[int, bytes] = {}
    for number, note in enumerate(notes, start=1):
        try:
            checkpoint = verify(note, keys)
        except CheckpointError as error:
            # Anchors are out of reach of who changes the database: it is the key that is not the one that signed them.
            raise _Bad(Verdict.BAD_SIGNATURE, f"anchored checkpoint {number}: {error}") from error
        if checkpoint.lost:
            if max(roots, default=0) != checkpoint.lost:
                raise _Bad(Verdict.AGAINST_ANCHOR, f"anchored checkpoint {number} is of a restore at another time")
            roots = {size: root for size, root in roots.items() if size <= checkpoint.size}
        if checkpoint.tenant_id != tenant_id or roots.setdefault(checkpoint.size, checkpoint.root) != checkpoint.root:
            raise _Bad(Verdict.AGAINST_ANCHOR, f"anchored checkpoint {number} contradicts another one")
    return roots


async def _grow_again(connection: AsyncConnection, tenant_id: UUID, frontier: Frontier, expected: _Expected) -> None:
    blocks = {row.number: row.root for row in await connection.execute(BLOCKS, {"tenant_id": tenant_id})}
    tenant = str(tenant_id)
    async for row in _leaves(connection, tenant_id):
        if row.position != frontier.size:
            raise _Bad(
                Verdict.GAP, f"after entry {frontier.size - 1} comes entry {row.position}", frontier.size, row.event_id
            )
        if row.id is None:
            raise _Bad(Verdict.TAMPERED, "the event was deleted", row.position, row.event_id)
        leaf = leaf_hash(canonical(tenant, row))
        if leaf != row.hash:
            raise _Bad(Verdict.TAMPERED, "the event is not the one that was sealed", row.position, row.event_id)
        completed = frontier.add(leaf)
        if len(completed) > BLOCK_LEVEL and blocks.get(frontier.size // BLOCK - 1) != completed[BLOCK_LEVEL]:
            raise _Bad(
                Verdict.TAMPERED, f"the stored root of entries {frontier.size - BLOCK} to {row.position} is not theirs"
            )
        _hold_against(frontier, expected, row)


def _hold_against(frontier: Frontier, expected: _Expected, row: Any) -> None:
    signed = expected.stored.get(frontier.size)
    anchored = expected.anchored.get(frontier.size)
    if signed is None and anchored is None:
        return
    root = frontier.root()
    if signed is not None and signed != root:
        first = max((size for size in expected.stored if size < frontier.size), default=0)
        raise _Bad(Verdict.TAMPERED, f"entries {first} to {row.position} are not those that were signed", first)
    if anchored is not None and anchored != root:
        raise _Bad(Verdict.AGAINST_ANCHOR, f"the first {frontier.size} entries are not those that were anchored")


def _hold_against_the_end(size: int, expected: _Expected) -> None:
    signed = max(expected.stored, default=0)
    anchored = max(expected.anchored, default=0)
    if size < signed:
        raise _Bad(Verdict.GAP, f"{signed} entries were signed and {size} are there", size)
    if size < anchored:
        raise _Bad(Verdict.AGAINST_ANCHOR, f"{anchored} entries were anchored and {size} are there", size)
    if size > signed:
        raise _Bad(Verdict.TAMPERED, f"entries from {signed} on are under no signed checkpoint", signed)


async def _look_for_late_ones(connection: AsyncConnection, tenant_id: UUID, sealed_below: int) -> None:
    """An event that claims to be older than the seal was put in afterwards."""
    where = {"tenant_id": tenant_id, "sealed_below": sealed_below}
    late = (await connection.execute(LATE, where)).scalar_one_or_none()
    if late is not None:
        raise _Bad(Verdict.TAMPERED, "the event was put in after its time had been sealed", event_id=late)


async def _leaves(connection: AsyncConnection, tenant_id: UUID) -> AsyncIterator[Any]:
    first = 0
    while True:
        rows = (await connection.execute(LEAVES, {"tenant_id": tenant_id, "first": first, "page": PAGE})).all()
        for row in rows:
            yield row
        if len(rows) < PAGE:
            return
        first = rows[-1].position + 1
