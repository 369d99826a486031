"""Kill -9 of a worker at every boundary of every stage, and in mid-stream, while 20 customers talk."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from tests.crash.bank import WORKERS, Bank
from tests.crash.points import BOUNDARIES, FRAMES, STAGES, Point
from tests.crash.talkers import open_talkers, talking
from tests.crash.verdict import attempts, nothing_is_wrong

CUSTOMERS = 20
LAST_FRAME = 10
"""Answers have at least as many frames, over the conversations that talk at a time."""


def test_every_stage_has_its_boundaries() -> None:
    for stage in STAGES:
        assert {"before", "after"} <= {point.when for point in BOUNDARIES if point.stage == stage}, stage


def drawn(random: Random, rounds: int) -> list[tuple[Point, int]]:
    """In one round a point before and a point after each stage, and a frame; in a soak all points, each round."""
    points = [point for _ in range(rounds) for point in (BOUNDARIES if rounds > 1 else _one_of_each(random))]
    frames = [(random.choice(FRAMES), random.randrange(LAST_FRAME)) for _ in range(2 * rounds)]
    shots = [*((point, 0) for point in points), *frames]
    random.shuffle(shots)
    return shots


def _one_of_each(random: Random) -> Iterator[Point]:
    for stage in STAGES:
        for when in ("before", "after"):
            yield random.choice([point for point in BOUNDARIES if (point.stage, point.when) == (stage, when)])


@pytest.mark.timeout(3600)
async def test_a_worker_is_killed_at_the_boundaries_of_every_stage(
    bank: Bank, random: Random, rounds: int, capsys: pytest.CaptureFixture[str]
) -> None:
    shots = drawn(random, rounds)
    talkers = await open_talkers(bank.api, CUSTOMERS, random)
    asked = bank.provider.served["openai"]
    async with talking(talkers):
        for point, skip in shots:
            await bank.faults.until_workers(WORKERS)
            bank.faults.arm(point, random.choice(("local", "remote")), skip=skip)
            await bank.faults.fired()
    waits = sorted(wait for talker in talkers for wait in talker.waits)
    with capsys.disabled():
        print(
            f"  {len(shots)} kills, {len(waits)} turns, median {waits[len(waits) // 2]:.1f} s, last {waits[-1]:.1f} s"
        )
    await nothing_is_wrong(bank, talkers)
    tried = await attempts(bank, talkers)
    drafts = 1 + len(shots)
    assert max(tried) <= 1 + len(shots), "an answer was begun again without a reason"
    assert bank.provider.served["openai"] - asked <= sum(tried) + drafts, "the provider was asked without an attempt"
