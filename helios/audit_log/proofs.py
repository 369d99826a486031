"""Proofs out of the stored tree: that an event is in it, and that an older checkpoint is its beginning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios.audit_log.entries import COLUMNS, canonical
from helios.audit_log.merkle import RootOf, consistency_proof, inclusion_proof, root_of_leaves
from helios.audit_log.sealer import BLOCK

LAST_CHECKPOINT = text(
    "SELECT size, note FROM audit_checkpoints WHERE tenant_id = :tenant_id ORDER BY size DESC LIMIT 1"
)
CHECKPOINT = text("SELECT size, note FROM audit_checkpoints WHERE tenant_id = :tenant_id AND size = :size")
EVENT = text(
    f"""
    SELECT {COLUMNS}, leaf.position FROM audits
    LEFT JOIN audit_leaves AS leaf ON leaf.tenant_id = audits.tenant_id AND leaf.event_id = audits.id
    WHERE audits.tenant_id = :tenant_id AND audits.id = :id
    """  # noqa: S608 - a constant of ours
)
BLOCKS = text("SELECT number, root FROM audit_blocks WHERE tenant_id = :tenant_id AND number < :most")
LEAVES = text(
    "SELECT position, hash FROM audit_leaves WHERE tenant_id = :tenant_id AND position < :size "
    "AND position / :block = ANY(:blocks)"
)


@dataclass(frozen=True, slots=True)
class Inclusion:
    """Where an event stands. `proof` is the siblings' hashes, the leaf's first; None while it is not sealed."""

    event: bytes
    """Its canonical JSON: what is hashed."""
    position: int | None
    proof: list[bytes] | None
    note: str | None
    """The checkpoint that the proof leads to."""


async def prove_event(connection: AsyncConnection, tenant_id: UUID, event_id: UUID) -> Inclusion | None:
    """None where the tenant has no such event."""
    row = (await connection.execute(EVENT, {"tenant_id": tenant_id, "id": event_id})).one_or_none()
    if row is None:
        return None
    event = canonical(tenant_id, row)
    head = await last_checkpoint(connection, tenant_id)
    if row.position is None or head is None:
        return Inclusion(event, None, None, None)
    root_of = await _tree(connection, tenant_id, head.size, [row.position])
    return Inclusion(event, row.position, inclusion_proof(row.position, head.size, root_of), head.note)


async def prove_consistency(connection: AsyncConnection, tenant_id: UUID, old: int, new: int) -> list[bytes]:
    """From a checkpoint of `old` entries to one of `new`, both sealed."""
    return consistency_proof(old, new, await _tree(connection, tenant_id, new, [old - 1]))


async def last_checkpoint(connection: AsyncConnection, tenant_id: UUID) -> Any:
    """`size` and `note` of the newest checkpoint; None before the first."""
    return (await connection.execute(LAST_CHECKPOINT, {"tenant_id": tenant_id})).one_or_none()


async def checkpoint_of(connection: AsyncConnection, tenant_id: UUID, size: int) -> Any:
    """`size` and `note` of the checkpoint of exactly this size, or None."""
    return (await connection.execute(CHECKPOINT, {"tenant_id": tenant_id, "size": size})).one_or_none()


async def _tree(connection: AsyncConnection, tenant_id: UUID, size: int, positions: Sequence[int]) -> RootOf:
    """Roots of ranges that are whole blocks, or lie in the block of one of `positions` or in the last one."""
    whole = size // BLOCK
    wanted = sorted({position // BLOCK for position in positions} | {whole})
    blocks = await connection.execute(BLOCKS, {"tenant_id": tenant_id, "most": whole})
    roots = {row.number: row.root for row in blocks}
    found = await connection.execute(LEAVES, {"tenant_id": tenant_id, "size": size, "block": BLOCK, "blocks": wanted})
    leaves = {row.position: row.hash for row in found}

    def root_of(start: int, end: int) -> bytes:
        if start % BLOCK == 0 and end - start >= BLOCK:
            # A range of the tree is aligned to its own size: whole blocks, then what the last one holds.
            parts = [roots[number] for number in range(start // BLOCK, end // BLOCK)]
            rest = [leaves[position] for position in range(end - end % BLOCK, end)]
            return _join(parts, rest)
        return root_of_leaves([leaves[position] for position in range(start, end)])

    return root_of


def _join(blocks: list[bytes], rest: list[bytes]) -> bytes:
    """Blocks are leaves of a smaller tree; what follows them is its last leaf, however few it holds."""
    return root_of_leaves([*blocks, root_of_leaves(rest)] if rest else blocks)
