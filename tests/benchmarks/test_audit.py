"""The audit log's benchmark, as small as it gets, on the real server."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from uuid import uuid4

import pytest

from benchmarks.audit import Bench, Rate, Verified, measure_chain, measure_log, measure_mutations, measure_verification
from benchmarks.audit import page as written
from helios.embedded.supervisor import Stack
from tests.audit_log.tampering import WAYS


@pytest.fixture
def name() -> str:
    return f"bench_{uuid4().hex[:12]}"


async def test_both_logs_take_events_and_the_tree_is_sealed_to_its_end(stack: Stack, name: str, tmp_path: Path) -> None:
    async with Bench(stack, name, tmp_path) as bench:
        ours, chain = await measure_log(bench, 0.5), await measure_chain(bench, 0.5)
        assert min(ours.per_s, chain.per_s) > 0
        events = await bench.admin.fetchval("SELECT count(*) FROM audits")
        sealed = await bench.admin.fetchval("SELECT count(*) FROM audit_leaves")
        assert events == sealed == round(ours.per_s / 2)
        assert await bench.admin.fetchval("SELECT count(*) FROM chained") == round(chain.per_s / 2)


async def test_a_log_is_verified_whole_and_each_way_of_forging_it_is_tried(
    stack: Stack, name: str, tmp_path: Path
) -> None:
    async with Bench(stack, name, tmp_path) as bench:
        assert (await measure_verification(bench, 2_000)).events == 2_000
    async with Bench(stack, f"{name}_f", tmp_path) as bench:
        assert set((await measure_mutations(bench, len(WAYS), 1, lambda _line: None)).values()) == {1}


def test_the_page_holds_the_numbers_and_their_aims() -> None:
    args = Namespace(seconds=20.0, seed=7)
    text = "\n".join(written(args, Rate(1500, 2.25, 0.5), Rate(300), Verified(1_000_000, 90, 41.2), {"cut": 3}))
    assert "**1,500** (aim 1,000) | 2.2 s (aim 60)" in text
    assert "5.0 times as many" in text
    assert "**41.2 s** (aim: 60 for 1,000,000)" in text
    assert "| cut | 3 | 3 |" in text
