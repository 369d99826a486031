"""Reads the entries of a log again, part by part, hashes each event anew from its row and grows the part's tree.

A part is a perfect subtree of the log's tree, so parts are read on their own, in processes of their own where there are
many, and their roots make the root of the whole. Every process sees the same snapshot of the database.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import AsyncIterator, Collection
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios.audit_log.entries import COLUMNS, canonical
from helios.audit_log.merkle import Frontier, leaf_hash
from helios.audit_log.sealer import BLOCK, BLOCK_LEVEL
from helios.database import Database

PART: Final = 1 << 16
"""Entries in a part: a power of two, and many blocks."""
PAGE: Final = 5000
ALONE: Final = 2
"""So many parts are read before other processes would have started."""

LENGTH = text("SELECT coalesce(max(position) + 1, 0) FROM audit_leaves WHERE tenant_id = :tenant_id")
LEAVES = text(
    f"""
    SELECT leaf.position, leaf.event_id, leaf.hash, {COLUMNS}
    FROM audit_leaves AS leaf LEFT JOIN audits ON audits.tenant_id = leaf.tenant_id AND audits.id = leaf.event_id
    WHERE leaf.tenant_id = :tenant_id AND leaf.position >= :first AND leaf.position < :end
    ORDER BY leaf.position LIMIT :page
    """  # noqa: S608 - a constant of ours
)
BLOCKS = text(
    "SELECT number, root FROM audit_blocks WHERE tenant_id = :tenant_id AND number >= :first AND number < :end"
)
SNAPSHOT = text("SELECT pg_export_snapshot()")


class Verdict(IntEnum):
    """The exit codes of `helios audit verify`."""

    GOOD = 0
    TAMPERED = 1
    GAP = 2
    BAD_SIGNATURE = 3
    AGAINST_ANCHOR = 4
    ANCHOR_INCOMPLETE = 5


class Bad(Exception):
    """What is wrong, and where. `position` is None where it is not one entry that is bad."""

    def __init__(
        self, verdict: Verdict, detail: str, position: int | None = None, event_id: UUID | None = None
    ) -> None:
        super().__init__(verdict, detail, position, event_id)
        self.verdict, self.detail, self.position, self.event_id = verdict, detail, position, event_id


@dataclass(slots=True)
class Part:
    """The entries from `first` on, as far as they are good. `met`: the part's frontier at sizes of the whole log."""

    first: int
    frontier: Frontier = field(default_factory=Frontier)
    met: dict[int, list[bytes]] = field(default_factory=dict)
    bad: Bad | None = None

    @property
    def end(self) -> int:
        return self.first + self.frontier.size


async def read_parts(
    database: Database, connection: AsyncConnection, tenant_id: UUID, sizes: Collection[int]
) -> AsyncIterator[Part]:
    """In their order. `connection` is in a snapshot; at each of `sizes` the frontier is noted."""
    length: int = (await connection.execute(LENGTH, {"tenant_id": tenant_id})).scalar_one()
    firsts = range(0, length, PART)
    within = {first: {size for size in sizes if first < size <= first + PART} for first in firsts}
    processes = min(len(firsts), os.cpu_count() or 1)
    if len(firsts) <= ALONE or processes == 1:
        for first in firsts:
            yield await _read_part(connection, tenant_id, range(first, first + PART), within[first])
        return
    snapshot: str = (await connection.execute(SNAPSHOT)).scalar_one()
    # Not forked: connections and threads of this process would be in the others.
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        try:
            reading = [
                pool.submit(
                    _in_a_process,
                    (database.dsn, database.pooled),
                    snapshot,
                    tenant_id,
                    range(first, first + PART),
                    within[first],
                )
                for first in firsts
            ]
            for each in reading:
                yield await asyncio.wrap_future(each)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _in_a_process(address: tuple[str, bool], snapshot: str, tenant_id: UUID, positions: range, sizes: set[int]) -> Part:
    async def read() -> Part:
        dsn, pooled = address
        database = Database(dsn, pool_size=1, statement_timeout_s=120, pooled=pooled)
        try:
            async with database.tenant(tenant_id, snapshot=snapshot) as connection:
                return await _read_part(connection, tenant_id, positions, sizes)
        finally:
            await database.close()

    return asyncio.run(read())


async def _read_part(connection: AsyncConnection, tenant_id: UUID, positions: range, sizes: set[int]) -> Part:
    part, tenant = Part(positions.start), str(tenant_id)
    where = {"tenant_id": tenant_id, "first": positions.start // BLOCK, "end": positions.stop // BLOCK}
    blocks = {row.number: row.root for row in await connection.execute(BLOCKS, where)}
    expected = positions.start
    try:
        async for row in _leaves(connection, tenant_id, positions):
            _add(part.frontier, tenant, row, expected, blocks)
            expected += 1
            if expected in sizes:
                part.met[expected] = part.frontier.roots.copy()
    except Bad as bad:
        part.bad = bad
    return part


def _add(tree: Frontier, tenant: str, row: Any, expected: int, blocks: dict[int, bytes]) -> None:
    if row.position != expected:
        raise Bad(Verdict.GAP, f"after entry {expected - 1} comes entry {row.position}", expected, row.event_id)
    if row.id is None:
        raise Bad(Verdict.TAMPERED, "the event was deleted", expected, row.event_id)
    leaf = leaf_hash(canonical(tenant, row))
    if leaf != row.hash:
        raise Bad(Verdict.TAMPERED, "the event is not the one that was sealed", expected, row.event_id)
    completed = tree.add(leaf)
    if len(completed) > BLOCK_LEVEL and blocks.get(expected // BLOCK) != completed[BLOCK_LEVEL]:
        raise Bad(Verdict.TAMPERED, f"the stored root of entries {expected + 1 - BLOCK} to {expected} is not theirs")


async def _leaves(connection: AsyncConnection, tenant_id: UUID, positions: range) -> AsyncIterator[Any]:
    first = positions.start
    while True:
        where = {"tenant_id": tenant_id, "first": first, "end": positions.stop, "page": PAGE}
        rows = (await connection.execute(LEAVES, where)).all()
        for row in rows:
            yield row
        if len(rows) < PAGE:
            return
        first = rows[-1].position + 1
