"""A log that is read in parts, each in a process of its own: what is found are the first bad entries of the whole."""

from __future__ import annotations

import os

import pytest

from benchmarks.audit import MANY
from helios.audit_log import reading
from helios.audit_log.reading import Verdict
from tests.audit_log.conftest import Log
from tests.audit_log.tampering import put_back

EVENTS, PART = 1000, 256
DELETE = "DELETE FROM audit_leaves WHERE tenant_id = $1 AND position BETWEEN $2 AND $3"


@pytest.fixture
async def parted(log: Log, monkeypatch: pytest.MonkeyPatch) -> Log:
    """Four parts, and checkpoints that end in their middle."""
    monkeypatch.setattr(reading, "PART", PART)
    monkeypatch.setattr(reading, "ALONE", 0)
    for _ in range(2):
        await log.admin.execute(MANY.replace("1000", str(EVENTS // 2)), log.tenant_id)
        await log.seal(batch=100)
    return log


async def test_processes_of_their_own_find_what_one_would(parted: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    async with put_back(parted.admin):
        for position in (900, 300):
            event = "(SELECT event_id FROM audit_leaves WHERE tenant_id = $1 AND position = $2)"
            await parted.admin.execute(
                f"UPDATE audits SET action = 'never.happened' WHERE id = {event}", parted.tenant_id, position
            )
        bad = await parted.verify()
    assert (bad.verdict, bad.position, bad.size) == (Verdict.TAMPERED, 300, 300)
    assert bad.event_id is not None


async def test_what_is_missing_at_the_edge_of_a_part_is_named(parted: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    good = await parted.verify()
    assert (good.verdict, good.size) == (Verdict.GOOD, EVENTS)
    for first, last in ((0, 0), (255, 255), (256, 256), (256, 511), (200, 600), (999, 999)):
        async with put_back(parted.admin):
            await parted.admin.execute(DELETE, parted.tenant_id, first, last)
            bad = await parted.verify()
        assert (bad.verdict, bad.position) == (Verdict.GAP, first), (first, last, bad)
