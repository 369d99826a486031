"""Work over all tenants leaves the machine to the others, is done by one worker, and never ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

import pytest

from helios import frames
from helios.embedded.supervisor import Stack
from helios.rounds import LONGEST_S, SHARE, TAKEN_S, repeat_for_ever, rest_s

NOBODY = "redis://127.0.0.1:1/0"


@pytest.mark.parametrize("took_s", [0.0, 0.01, 0.2, 0.5, 1.0])
def test_it_takes_its_share_at_most(took_s: float) -> None:
    assert took_s / (took_s + rest_s(took_s, 2.0)) <= SHARE + 1e-9


@pytest.mark.parametrize(
    ("took_s", "every_s", "rests_s"), [(0.01, 2.0, 2.0), (0.01, 10.0, 10.0), (60.0, 2.0, LONGEST_S)]
)
def test_it_rests_as_asked_while_it_is_quick_and_never_too_long(took_s: float, every_s: float, rests_s: float) -> None:
    assert rest_s(took_s, every_s) == rests_s


class Worker:
    """Goes round beside others; `rounds` counts its own."""

    def __init__(self) -> None:
        self.rounds = 0
        self.another = asyncio.Event()
        self.fails = False

    async def one_round(self) -> int:
        self.rounds += 1
        self.another.set()
        if self.fails:
            raise OSError("this round goes wrong")
        return 0

    async def next_round(self) -> None:
        self.another.clear()
        async with asyncio.timeout(10):
            await self.another.wait()


@asynccontextmanager
async def going_round(url: str, what: str, every_s: float) -> AsyncIterator[Worker]:
    worker, valkey = Worker(), frames.connect(url)
    task = asyncio.create_task(repeat_for_ever(valkey, what, worker.one_round, every_s))
    try:
        yield worker
    finally:
        # The client loses a cancellation that meets its answer.
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=0.1)
        await valkey.aclose()


async def test_of_many_workers_one_goes_round_and_another_where_it_ends(stack: Stack) -> None:
    what, url, every_s = f"test-{uuid4()}", stack.servers.redis_url, 0.2
    async with AsyncExitStack() as others:
        async with going_round(url, what, every_s) as first:
            await first.next_round()
            waiting = [await others.enter_async_context(going_round(url, what, every_s)) for _ in range(3)]
            began = asyncio.get_running_loop().time()
            await until_rounds([first, *waiting], 4)
            # Four workers, each for itself, would have done them in one interval.
            assert asyncio.get_running_loop().time() - began > 2 * every_s
        await until_rounds(waiting, 1)


async def until_rounds(workers: Sequence[Worker], more: int) -> None:
    before = sum(each.rounds for each in workers)
    async with asyncio.timeout(2 * TAKEN_S):
        while sum(each.rounds for each in workers) < before + more:
            await asyncio.sleep(0.01)


async def test_a_round_that_fails_is_not_the_last(stack: Stack) -> None:
    async with going_round(stack.servers.redis_url, f"test-{uuid4()}", 0.05) as worker:
        worker.fails = True
        await worker.next_round()
        await worker.next_round()


async def test_without_valkey_each_goes_its_own_round() -> None:
    async with going_round(NOBODY, "alone", 0.05) as one, going_round(NOBODY, "alone", 0.05) as two:
        await one.next_round()
        await two.next_round()
