"""Verification: reads a tenant's whole log again and holds it against its tree, its signatures and its anchors.

Every event is hashed anew from its row, so a change of one byte shows, and the first bad entry is named. What is
checked comes from the database; whom it is held against are the checkpoints that only the root key's holder can sign,
and the anchors, which are not in the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios.audit_log.anchors import Anchor
from helios.audit_log.checkpoints import CheckpointError
from helios.audit_log.key_chain import KeyChain, KeyChainError
from helios.audit_log.keys import signing_keys
from helios.audit_log.merkle import Frontier
from helios.audit_log.reading import Bad, Verdict, read_parts
from helios.crypto import CryptoError, RootKey
from helios.database import Database

CHECKPOINTS = text(
    "SELECT size, root, note, sealed_below FROM audit_checkpoints WHERE tenant_id = :tenant_id ORDER BY size"
)
LATE = text(
    """
    SELECT id FROM audits
    WHERE tenant_id = :tenant_id AND xid < CAST(CAST(CAST(:sealed_below AS bigint) AS text) AS xid8)
      AND NOT EXISTS (SELECT FROM audit_leaves WHERE tenant_id = :tenant_id AND event_id = audits.id)
    ORDER BY xid, id LIMIT 1
    """
)
# What was anchored before the log began in another anchor is not in this one.
NOTED_AS_ANCHORED = text(
    """
    SELECT size FROM audit_anchored
    WHERE tenant_id = :tenant_id AND anchored_at > coalesce((
        SELECT max(occurred_at) FROM audits
        WHERE tenant_id = :tenant_id AND (action = 'audit_anchor.begun'
           OR action = 'stack.restored' AND (detail ->> 'anchor_moved' = 'true'
                                             OR CAST(detail ->> 'anchor_problems' AS bigint) > 0))
    ), '-infinity')
    ORDER BY size
    """
)


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
    missing: int = 0
    """Checkpoints that were anchored, and are not in the anchor any more."""


@dataclass(slots=True)
class _Expected:
    """Roots by size that somebody signed: to be met while the tree grows again.

    read     entries that were read
    missing  sizes that were anchored, and are not in the anchor
    """

    stored: dict[int, bytes] = field(default_factory=dict)
    anchored: dict[int, bytes] = field(default_factory=dict)
    read: int = 0
    missing: list[int] = field(default_factory=list)


async def verify_log(database: Database, root: RootKey, anchor: Anchor | None, tenant_id: UUID) -> Report:
    """Reads a log from its first event to its last."""
    expected = _Expected()
    # In this order: what is noted is anchored before, and what is sealed after the anchors were read is in neither.
    noted = await _noted_as_anchored(database, tenant_id) if anchor is not None else []
    notes = await anchor.notes(tenant_id) if anchor is not None else []
    key_notes = await anchor.notes(tenant_id, "keys") if anchor is not None else []
    try:
        async with database.tenant(tenant_id, snapshot=True) as connection:
            keys = await _keys(connection, root, tenant_id)
            checkpoints = (await connection.execute(CHECKPOINTS, {"tenant_id": tenant_id})).all()
            expected.stored = _signed_roots(checkpoints, keys, tenant_id)
            expected.anchored = anchored_roots(notes, _anchored_keys(keys, key_notes), tenant_id)
            await _grow_again(database, connection, tenant_id, expected)
            _hold_against_the_end(expected)
            if checkpoints:
                await _look_for_late_ones(connection, tenant_id, checkpoints[-1].sealed_below)
            _hold_the_anchor_against(noted, expected)
    except Bad as bad:
        return Report(
            tenant_id, bad.verdict, expected.read, bad.detail, bad.position, bad.event_id,
            anchored=len(expected.anchored), missing=len(expected.missing),
        )  # fmt: skip
    return Report(tenant_id, Verdict.GOOD, expected.read, "good", anchored=len(expected.anchored))


async def _noted_as_anchored(database: Database, tenant_id: UUID) -> list[int]:
    async with database.tenant(tenant_id) as connection:
        return list(await connection.scalars(NOTED_AS_ANCHORED, {"tenant_id": tenant_id}))


async def _keys(connection: AsyncConnection, root: RootKey, tenant_id: UUID) -> KeyChain:
    try:
        return (await signing_keys(connection, root, tenant_id)).chain
    except CryptoError as error:
        raise Bad(Verdict.BAD_SIGNATURE, f"the log's key was replaced: {error}") from error


def _anchored_keys(keys: KeyChain, notes: Sequence[str]) -> KeyChain:
    """With those that were lost with a restore; one that is missing at the end was taken out."""
    try:
        anchored = keys.followed(notes)
    except KeyChainError as error:
        raise Bad(Verdict.BAD_SIGNATURE, f"the keys are not those that were anchored: {error}") from error
    if anchored.newest > keys.newest:
        raise Bad(Verdict.AGAINST_ANCHOR, f"key {anchored.newest} of the log was anchored and is not there")
    return anchored


def _signed_roots(checkpoints: Sequence[Any], keys: KeyChain, tenant_id: UUID) -> dict[int, bytes]:
    roots = {}
    for row in checkpoints:
        try:
            checkpoint = keys.verify(row.note)
        except CheckpointError as error:
            raise Bad(Verdict.BAD_SIGNATURE, f"checkpoint {row.size}: {error}") from error
        if (checkpoint.tenant_id, checkpoint.size, checkpoint.root) != (tenant_id, row.size, row.root):
            raise Bad(Verdict.BAD_SIGNATURE, f"checkpoint {row.size} is the signed note of another")
        roots[checkpoint.size] = checkpoint.root
    return roots


def anchored_roots(notes: Sequence[str], keys: KeyChain, tenant_id: UUID) -> dict[int, bytes]:
    """After a signed restore the lost entries count no more; the same note at another time would hide a cut."""
    roots: dict[int, bytes] = {}
    for number, note in enumerate(notes, start=1):
        try:
            checkpoint = keys.verify(note)
        except CheckpointError as error:
            # Anchors are out of reach of who changes the database: it is the key that is not the one that signed them.
            raise Bad(Verdict.BAD_SIGNATURE, f"anchored checkpoint {number}: {error}") from error
        if checkpoint.lost:
            if max(roots, default=0) != checkpoint.lost:
                raise Bad(Verdict.AGAINST_ANCHOR, f"anchored checkpoint {number} is of a restore at another time")
            roots = {size: root for size, root in roots.items() if size <= checkpoint.size}
        if checkpoint.tenant_id != tenant_id or roots.setdefault(checkpoint.size, checkpoint.root) != checkpoint.root:
            raise Bad(Verdict.AGAINST_ANCHOR, f"anchored checkpoint {number} contradicts another one")
    return roots


async def _grow_again(database: Database, connection: AsyncConnection, tenant_id: UUID, expected: _Expected) -> None:
    whole = Frontier()
    async for part in read_parts(database, connection, tenant_id, expected.stored.keys() | expected.anchored.keys()):
        if part.first > expected.read:
            missing = expected.read
            raise Bad(Verdict.GAP, f"after entry {missing - 1} come those from {part.first} on", missing)
        expected.read = part.end
        for size, roots in part.met.items():
            _hold_against(Frontier(size, [*whole.roots, *roots]), expected)
        if part.bad is not None:
            raise part.bad
        whole.add(part.frontier.root())


def _hold_against(tree: Frontier, expected: _Expected) -> None:
    signed, anchored, root = expected.stored.get(tree.size), expected.anchored.get(tree.size), tree.root()
    if signed is not None and signed != root:
        first = max((size for size in expected.stored if size < tree.size), default=0)
        raise Bad(Verdict.TAMPERED, f"entries {first} to {tree.size - 1} are not those that were signed", first)
    if anchored is not None and anchored != root:
        raise Bad(Verdict.AGAINST_ANCHOR, f"the first {tree.size} entries are not those that were anchored")


def _hold_against_the_end(expected: _Expected) -> None:
    size = expected.read
    signed = max(expected.stored, default=0)
    anchored = max(expected.anchored, default=0)
    if size < signed:
        raise Bad(Verdict.GAP, f"{signed} entries were signed and {size} are there", size)
    if size < anchored:
        raise Bad(Verdict.AGAINST_ANCHOR, f"{anchored} entries were anchored and {size} are there", size)
    if size > signed:
        raise Bad(Verdict.TAMPERED, f"entries from {signed} on are under no signed checkpoint", signed)


def _hold_the_anchor_against(noted: Sequence[int], expected: _Expected) -> None:
    expected.missing = missing = [size for size in noted if size not in expected.anchored]
    if missing:
        raise Bad(
            Verdict.ANCHOR_INCOMPLETE,
            f"the log is as it was signed, but {len(missing)} of {len(noted)} checkpoints that were anchored are not "
            f"in the anchor, the first of {missing[0]} entries, the last of {missing[-1]}",
        )


async def _look_for_late_ones(connection: AsyncConnection, tenant_id: UUID, sealed_below: int) -> None:
    """An event that claims to be older than the seal was put in afterwards."""
    where = {"tenant_id": tenant_id, "sealed_below": sealed_below}
    late = (await connection.execute(LATE, where)).scalar_one_or_none()
    if late is not None:
        raise Bad(Verdict.TAMPERED, "the event was put in after its time had been sealed", event_id=late)
