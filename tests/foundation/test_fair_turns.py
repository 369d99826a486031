"""Who waits for whom where tenants take turns."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from helios.fair_turns import FairTurns, TooManyWaiting

NOISY, QUIET, OTHER = uuid4(), uuid4(), uuid4()
NAMES = {NOISY: "noisy", QUIET: "quiet", OTHER: "other"}


class Work:
    """Steps that each last until they are ended by name, and the order in which they began."""

    def __init__(self, places: int, **bounds: Any) -> None:
        self.turns: FairTurns[UUID] = FairTurns(places, **bounds)
        self.began: list[str] = []
        self._ends: list[asyncio.Event] = []

    async def step(self, tenant_id: UUID) -> None:
        async with self.turns.of(tenant_id):
            self.began.append(NAMES[tenant_id])
            end = asyncio.Event()
            self._ends.append(end)
            await end.wait()

    async def come(self, *tenants: UUID) -> list[asyncio.Task[None]]:
        tasks = [asyncio.create_task(self.step(each)) for each in tenants]
        await self.settle()
        return tasks

    async def end_one(self) -> None:
        self._ends.pop(0).set()
        await self.settle()

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


async def test_a_quiet_tenant_waits_for_one_step_of_a_noisy_one_and_not_for_all() -> None:
    work = Work(1)
    tasks = await work.come(*[NOISY] * 5, QUIET)
    for _ in range(6):
        await work.end_one()
    await asyncio.gather(*tasks)
    assert work.began == ["noisy", "quiet", "noisy", "noisy", "noisy", "noisy"]


async def test_a_free_place_goes_to_who_holds_the_fewest() -> None:
    work = Work(2)
    tasks = await work.come(NOISY, NOISY, NOISY, QUIET)
    await work.end_one()
    assert work.began == ["noisy", "noisy", "quiet"]
    for _ in range(3):
        await work.end_one()
    await asyncio.gather(*tasks)


async def test_those_who_wait_take_turns() -> None:
    work = Work(1)
    tasks = await work.come(NOISY, NOISY, NOISY, QUIET, QUIET, OTHER, OTHER)
    for _ in range(7):
        await work.end_one()
    await asyncio.gather(*tasks)
    assert work.began == ["noisy", "quiet", "other", "noisy", "quiet", "other", "noisy"]


async def test_a_place_is_never_lost_to_somebody_who_gave_up() -> None:
    work = Work(1)
    async with work.turns.of(NOISY):
        gone_while_waiting, gone_when_served, last = await work.come(NOISY, QUIET, OTHER)
        gone_while_waiting.cancel()
        await work.settle()
    gone_when_served.cancel()  # it was given the place, and has not run since
    await work.settle()
    assert work.began == ["other"]
    await work.end_one()
    await last
    assert gone_while_waiting.cancelled()
    assert gone_when_served.cancelled()


async def test_whom_we_prefer_goes_first_as_long_as_he_holds_no_more_than_the_others() -> None:
    work = Work(1, preferred=lambda who: who == QUIET)
    tasks = await work.come(NOISY, NOISY, OTHER, QUIET, QUIET)
    await work.end_one()
    assert work.began == ["noisy", "quiet"]
    for _ in range(4):
        await work.end_one()
    await asyncio.gather(*tasks)


async def test_of_one_so_many_wait_and_no_more() -> None:
    work = Work(1, waiting_most=2)
    tasks = await work.come(NOISY, NOISY, NOISY, NOISY, QUIET)
    with pytest.raises(TooManyWaiting):
        await tasks[3]
    for _ in range(4):
        await work.end_one()
    await asyncio.gather(*tasks[:3], tasks[4])
    assert work.began == ["noisy", "quiet", "noisy", "noisy"]
