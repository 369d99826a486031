"""A worker is killed around the cache: the customer has one whole answer, and nobody a wrong one."""

from __future__ import annotations

import asyncio

import pytest

from tests.crash.bank import WORKERS, Bank
from tests.crash.points import BOUNDARIES, FOUND_AGAIN, FRAME_AFTER, KEPT, Point
from tests.semantic_cache.asking import QUESTION, SAME, ask, asked_before, reply

ON_THE_WAY = [
    FOUND_AGAIN, FRAME_AFTER,
    *(each for each in BOUNDARIES if each.attribute in ("_write", "_finish") and each.when == "after"),
]  # fmt: skip


@pytest.mark.parametrize("point", ON_THE_WAY, ids=lambda each: each.name)
async def test_while_an_answer_is_given_again(bank: Bank, point: Point) -> None:
    _, answer = await asked_before(bank)
    await bank.faults.until_workers(WORKERS)
    bank.faults.arm(point, "remote")
    (customer, heard, calls), _ = await asyncio.gather(ask(bank, SAME), bank.faults.fired())
    assert (calls, reply(heard)["content"]) == (0, answer)
    assert [each["role"] for each in await customer.messages()].count("assistant") == 1


@pytest.mark.parametrize("point", KEPT, ids=lambda each: each.name)
async def test_while_an_answer_is_kept(bank: Bank, point: Point) -> None:
    await bank.faults.until_workers(WORKERS)
    bank.faults.arm(point, "remote")
    (customer, heard, calls), _ = await asyncio.gather(ask(bank, QUESTION), bank.faults.fired())
    assert calls == 1
    assert [each["role"] for each in await customer.messages()].count("assistant") == 1
    _, again, calls = await ask(bank, SAME)
    assert calls == (0 if point is KEPT[-1] else 1)
    assert reply(again)["content"] == reply(heard)["content"]


async def test_many_who_ask_at_once_are_all_answered(bank: Bank) -> None:
    asked = await asyncio.gather(*(ask(bank, each) for each in (QUESTION, SAME) * 3))
    assert len({reply(heard)["content"] for _, heard, _ in asked}) == 1
    assert (await ask(bank, QUESTION))[2] == 0
