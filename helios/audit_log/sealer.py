"""The sealer: takes audit events into the tenant's tree, beside the work and never in its way.

An event is written in the transaction of its change and sealed within seconds. A batch takes the events whose
transaction id lies below every transaction that still runs: those are final, and none can appear among them later. (A
plain `max(id)` would skip who commits late.) One sealer at a time works on a tenant's log, whoever it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID
from weakref import WeakKeyDictionary

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios.audit_log.anchors import Anchor
from helios.audit_log.checkpoints import Checkpoint, sign
from helios.audit_log.entries import COLUMNS, canonical
from helios.audit_log.keys import add_signing_key, signing_keys
from helios.audit_log.merkle import Frontier, leaf_hash
from helios.crypto import CryptoError, RootKey
from helios.database import Database
from helios.every_tenant import ask_every_tenant

log = structlog.get_logger()

EVERY_S: Final = 2.0
BATCH: Final = 1000
BLOCK_LEVEL: Final = 8
BLOCK: Final = 1 << BLOCK_LEVEL
"""Leaves under a stored inner root: a proof reads a block or two of leaves, and one hash for each other block."""

ANCHORED: Final = WeakKeyDictionary[Anchor, set[str]]()
"""Which keys' notes this process knows to be there."""
TAKE_TURNS = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))")
HEAD = text(
    "SELECT size, frontier, sealed_below FROM audit_checkpoints WHERE tenant_id = :tenant_id ORDER BY size DESC LIMIT 1"
)
WAITING = """
    SELECT FROM audits WHERE tenant_id = $1 AND xid < pg_snapshot_xmin(pg_current_snapshot())
      AND xid >= coalesce(
          (SELECT sealed_below FROM audit_checkpoints WHERE tenant_id = $1 ORDER BY size DESC LIMIT 1)::text, '0'
      )::xid8
    LIMIT 1
"""
# A transaction's events stay together, so a batch may be larger than asked for.
UNSEALED = text(
    f"""
    WITH final AS (
        SELECT xid FROM audits
        WHERE tenant_id = :tenant_id AND xid >= CAST(CAST(CAST(:sealed_below AS bigint) AS text) AS xid8)
          AND xid < pg_snapshot_xmin(pg_current_snapshot())
        ORDER BY xid OFFSET CAST(:batch AS bigint) - 1 LIMIT 1
    )
    SELECT {COLUMNS}, CAST(CAST(xid AS text) AS bigint) AS xid FROM audits
    WHERE tenant_id = :tenant_id AND xid >= CAST(CAST(CAST(:sealed_below AS bigint) AS text) AS xid8)
      AND xid < pg_snapshot_xmin(pg_current_snapshot())
      AND xid <= coalesce((SELECT xid FROM final), pg_snapshot_xmin(pg_current_snapshot()))
    ORDER BY audits.xid, audits.id
    """  # noqa: S608 - a constant of ours
)
ADD_LEAVES = text(
    """
    INSERT INTO audit_leaves (tenant_id, position, event_id, hash)
    SELECT :tenant_id, :first + n - 1, event_id, hash
    FROM unnest(CAST(:events AS uuid[]), CAST(:hashes AS bytea[])) WITH ORDINALITY AS leaf (event_id, hash, n)
    """
)
ADD_BLOCKS = text(
    """
    INSERT INTO audit_blocks (tenant_id, number, root)
    SELECT :tenant_id, number, root FROM unnest(CAST(:numbers AS bigint[]), CAST(:roots AS bytea[])) AS block (number, root)
    """  # noqa: E501
)
ADD_CHECKPOINT = text(
    "INSERT INTO audit_checkpoints (tenant_id, size, root, note, frontier, sealed_below) "
    "VALUES (:tenant_id, :size, :root, :note, :frontier, :sealed_below)"
)

SOME_NOTED = text("SELECT EXISTS (SELECT FROM audit_anchored WHERE tenant_id = :tenant_id)")
NOTE_ANCHORED = text(
    "INSERT INTO audit_anchored (tenant_id, size) SELECT tenant_id, size FROM audit_checkpoints "
    "WHERE tenant_id = :tenant_id AND note = ANY(:notes) ON CONFLICT DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A checkpoint, the notes of the keys up to the one that signed it, and how many events are new."""

    note: str
    key_notes: tuple[str, ...]
    events: int


async def seal_all(database: Database, root: RootKey, anchor: Anchor | None) -> None:
    """One round over all tenants, the deleted ones too: what was done to them is on record."""
    for found in await ask_every_tenant(database, WAITING, deleted=True):
        try:
            while await seal(database, root, anchor, found.tenant_id):
                pass
        except CryptoError as error:
            log.error("sealing failed", tenant_id=str(found.tenant_id), reason=str(error))


async def seal(database: Database, root: RootKey, anchor: Anchor | None, tenant_id: UUID, batch: int = BATCH) -> bool:
    """Seals one batch. Whether there may be more."""
    async with database.tenant(tenant_id) as connection:
        if not (await connection.execute(TAKE_TURNS, {"name": f"audit:{tenant_id}"})).scalar_one():
            return False
        sealed = await _seal_batch(connection, root, tenant_id, batch)
    if sealed is None:
        return False
    if anchor is not None and await _anchored(anchor, tenant_id, sealed):
        await _note_anchored(database, anchor, tenant_id, sealed.note)
    return sealed.events >= batch


async def _note_anchored(database: Database, anchor: Anchor, tenant_id: UUID, note: str) -> None:
    """Once it is there, and in a transaction of its own: what is noted must be in the anchor. The first time with all
    that the anchor holds: releases before this one noted nothing."""
    where = {"tenant_id": tenant_id}
    async with database.tenant(tenant_id) as connection:
        if (await connection.execute(SOME_NOTED, where)).scalar_one():
            await connection.execute(NOTE_ANCHORED, {**where, "notes": [note]})
            return
    with suppress(OSError):  # the next seal makes up for it
        notes = list(await anchor.notes(tenant_id))
        async with database.tenant(tenant_id) as connection:
            await connection.execute(NOTE_ANCHORED, {**where, "notes": notes})


async def _anchored(anchor: Anchor, tenant_id: UUID, sealed: Sealed) -> bool:
    try:
        await anchor_keys(anchor, tenant_id, sealed.key_notes)
        await anchor.add(tenant_id, sealed.note)
    except OSError as error:
        # The next checkpoint holds this one in it; other tenants are not kept waiting.
        log.warning("checkpoint not anchored", tenant_id=str(tenant_id), reason=str(error))
        return False
    return True


async def _seal_batch(connection: AsyncConnection, root: RootKey, tenant_id: UUID, batch: int) -> Sealed | None:
    head = (await connection.execute(HEAD, {"tenant_id": tenant_id})).one_or_none()
    frontier = unpack(head.size, head.frontier) if head is not None else Frontier()
    where = {"tenant_id": tenant_id, "sealed_below": head.sealed_below if head is not None else 0, "batch": batch}
    events = (await connection.execute(UNSEALED, where)).all()
    if not events:
        return None
    await _grow(connection, tenant_id, frontier, events)
    checkpoint = Checkpoint(tenant_id, frontier.size, frontier.root())
    keys = await signing_keys(connection, root, tenant_id)
    if not keys.private:
        await add_signing_key(connection, root, tenant_id, 1)
        keys = await signing_keys(connection, root, tenant_id)
    note = sign(checkpoint, keys.newest)
    await connection.execute(
        ADD_CHECKPOINT,
        {
            "tenant_id": tenant_id,
            "size": checkpoint.size,
            "root": checkpoint.root,
            "note": note,
            "frontier": b"".join(frontier.roots),
            "sealed_below": events[-1].xid + 1,
        },
    )
    return Sealed(note, keys.notes, len(events))


async def anchor_keys(anchor: Anchor, tenant_id: UUID, notes: Sequence[str]) -> None:
    """A key is known there before the first checkpoint that it signs. Raises `OSError`."""
    anchored = ANCHORED.setdefault(anchor, set())
    if not anchored.issuperset(notes):
        anchored.update(await anchor.notes(tenant_id, "keys"))
    for note in notes:
        if note not in anchored:
            await anchor.add(tenant_id, note, "keys")
            anchored.add(note)


async def _grow(connection: AsyncConnection, tenant_id: UUID, frontier: Frontier, events: Sequence[Any]) -> None:
    first = frontier.size
    tenant = str(tenant_id)
    hashes = [leaf_hash(canonical(tenant, event)) for event in events]
    blocks: dict[int, bytes] = {}
    for leaf in hashes:
        completed = frontier.add(leaf)
        if len(completed) > BLOCK_LEVEL:
            blocks[frontier.size // BLOCK - 1] = completed[BLOCK_LEVEL]
    ids = [event.id for event in events]
    await connection.execute(ADD_LEAVES, {"tenant_id": tenant_id, "first": first, "events": ids, "hashes": hashes})
    if blocks:
        await connection.execute(
            ADD_BLOCKS, {"tenant_id": tenant_id, "numbers": list(blocks), "roots": list(blocks.values())}
        )


def unpack(size: int, roots: bytes) -> Frontier:
    """A stored frontier: its roots stand one after the other."""
    return Frontier(size, [roots[start : start + 32] for start in range(0, len(roots), 32)])
