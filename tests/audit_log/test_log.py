"""Sealing beside running transactions, verification of what was falsified, proofs out of the stored tree."""

from __future__ import annotations

import asyncio
import json
import os
import random

import pytest
from sqlalchemy import text

from helios import audit
from helios.audit_log.checkpoints import CheckpointError, read
from helios.audit_log.keys import rotate, signing_keys
from helios.audit_log.merkle import is_consistent, leaf_hash, root_from_inclusion
from helios.audit_log.proofs import checkpoint_of, last_checkpoint, prove_consistency, prove_event
from helios.audit_log.reading import Verdict
from helios.crypto import RootKey
from helios.ids import new_id
from tests.audit_log.conftest import Log
from tests.audit_log.tampering import WAYS, put_back

MUTATIONS = int(os.environ.get("HELIOS_TEST_MUTATIONS", "30"))
SEED = int(os.environ.get("HELIOS_TEST_SEED", "20261122"))


async def test_an_untouched_log_is_good_at_every_size(log: Log) -> None:
    assert (await log.verify()).verdict is Verdict.GOOD
    for events in (1, 2, 5, 300):
        await log.record(events)
        await log.seal(batch=64)
        report = await log.verify()
        assert (report.verdict, report.detail) == (Verdict.GOOD, "good")
    assert report.size == 308
    assert report.anchored > 4


async def test_who_commits_late_is_sealed_too(log: Log) -> None:
    """Its transaction began before the others': their places are given first, and nobody is skipped."""
    begun, others_sealed = asyncio.Event(), asyncio.Event()

    async def late() -> None:
        async with log.database.tenant(log.tenant_id) as connection:
            await audit.record(
                connection, log.tenant_id, "late.event", actor=("system", None), subject=("conversation", None)
            )
            begun.set()
            await others_sealed.wait()

    slow = asyncio.create_task(late())
    await begun.wait()
    await log.record(3)
    await log.seal()
    sealed_meanwhile = (await log.verify()).size
    others_sealed.set()
    await slow
    await log.seal()
    report = await log.verify()
    assert sealed_meanwhile == 0  # they are younger than a transaction that still runs
    assert (report.verdict, report.size) == (Verdict.GOOD, 4)


async def test_two_sealers_do_not_disturb_each_other(log: Log) -> None:
    await log.record(120)
    await asyncio.gather(*(log.seal(batch=16) for _ in range(4)))
    await log.seal(batch=16)
    report = await log.verify()
    assert (report.verdict, report.size) == (Verdict.GOOD, 120)
    assert await log.admin.fetchval("SELECT count(*) FROM audit_leaves") == 120


async def test_a_transactions_events_are_never_parted(log: Log) -> None:
    async with log.database.tenant(log.tenant_id) as connection:
        for _ in range(10):
            await audit.record(connection, log.tenant_id, "a.b", actor=("system", None), subject=("tenant", None))
    await log.record(1)
    await log.seal(batch=4)
    sizes = [row["size"] for row in await log.admin.fetch("SELECT size FROM audit_checkpoints ORDER BY size")]
    assert sizes == [10, 11]


async def test_every_falsification_is_found(log: Log) -> None:
    """With the seed in the message: HELIOS_TEST_SEED and HELIOS_TEST_MUTATIONS repeat or widen it."""
    draw = random.Random(SEED)
    for events in (3, 290, 17, 40):
        await log.record(events)
        await log.seal(batch=100)
        if events == 290:
            await rotate(log.database, log.root, log.tenant_id)
    for number in range(MUTATIONS):
        way = WAYS[number % len(WAYS)]
        async with put_back(log.admin):
            position = await way.forge(log.admin, log.tenant_id, draw)
            report = await log.verify()
        assert report.verdict in way.verdicts, (SEED, number, way.name, report)
        if position is not None:
            assert report.position == position, (SEED, number, way.name, report)
    assert (await log.verify()).verdict is Verdict.GOOD


async def test_a_root_key_of_somebody_else_shows(log: Log) -> None:
    await log.record(2)
    await log.seal()
    log.root = RootKey(b"x" * 32)
    assert (await log.verify()).verdict is Verdict.BAD_SIGNATURE


async def test_events_and_checkpoints_are_proven_from_the_stored_tree(log: Log) -> None:
    for events in (5, 252, 300, 20):
        await log.record(events)
        await log.seal(batch=256)
    async with log.database.tenant(log.tenant_id) as connection:
        keys = await signing_keys(connection, log.root, log.tenant_id)
        head = await last_checkpoint(connection, log.tenant_id)
        root = keys.chain.verify(head.note).root
        rows = (await connection.execute(text("SELECT event_id, position FROM audit_leaves ORDER BY position"))).all()
        for row in [*random.Random(1).sample(rows, 40), *(rows[place] for place in (0, 255, 256, 511, 512, -1))]:
            proven = await prove_event(connection, log.tenant_id, row.event_id)
            assert proven is not None
            assert proven.proof is not None
            assert json.loads(proven.event)["id"] == str(row.event_id)
            assert root_from_inclusion(leaf_hash(proven.event), row.position, head.size, proven.proof) == root
        sizes = [row.size for row in (await connection.execute(text("SELECT size FROM audit_checkpoints"))).all()]
        for size in sizes:
            older = await checkpoint_of(connection, log.tenant_id, size)
            path = await prove_consistency(connection, log.tenant_id, size, head.size)
            assert is_consistent(size, head.size, read(older.note).root, root, path)
        assert await prove_event(connection, log.tenant_id, new_id()) is None


async def test_an_event_that_is_not_sealed_yet_has_no_proof(log: Log) -> None:
    await log.record(1)
    async with log.database.tenant(log.tenant_id) as connection:
        event = (await connection.execute(text("SELECT id FROM audits"))).scalar_one()
        proven = await prove_event(connection, log.tenant_id, event)
    assert proven is not None
    assert (proven.position, proven.proof, proven.note) == (None, None, None)


async def test_what_has_no_canonical_form_is_refused_before_it_is_stored(log: Log) -> None:
    with pytest.raises(Exception, match=r"."):
        async with log.database.tenant(log.tenant_id) as connection:
            await audit.record(
                connection, log.tenant_id, "a.b", actor=("system", None), subject=("tenant", None),
                detail={"n": 2**60},
            )  # fmt: skip
    assert await log.admin.fetchval("SELECT count(*) FROM audits") == 0


@pytest.mark.parametrize("note", ["", "x", "helioscs/audit/x\n1\nA\n\n— x y\n"])
def test_what_is_no_checkpoint_is_refused(note: str) -> None:
    with pytest.raises(CheckpointError):
        read(note)
