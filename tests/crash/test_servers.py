"""Kill -9 of every server, and a Valkey that forgets everything, while 20 customers talk."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import Literal

import httpx
import pytest

from tests.crash.bank import Bank
from tests.crash.talkers import open_talkers, talking
from tests.crash.verdict import nothing_is_wrong

CUSTOMERS = 20
Blow = Literal["api", "temporal", "valkey", "postgres", "flush"]
BLOWS: tuple[Blow, ...] = ("api", "temporal", "valkey", "postgres", "flush")


async def strike(bank: Bank, blow: Blow) -> None:
    """Kills the part, and waits until it is back."""
    if blow == "flush":
        await bank.forget()
        return
    pid = bank.kill(blow)
    await bank.back(blow, pid)


async def test_every_server_is_killed(bank: Bank, random: Random, capsys: pytest.CaptureFixture[str]) -> None:
    talkers = await open_talkers(bank.api, CUSTOMERS, random)
    blows = random.sample(BLOWS, len(BLOWS))
    async with talking(talkers):
        for blow in blows:
            await asyncio.sleep(random.uniform(0.5, 1.5))
            await strike(bank, blow)
    waits = sorted(wait for talker in talkers for wait in talker.waits)
    with capsys.disabled():
        print(f"  {', '.join(blows)}; {len(waits)} turns, longest {waits[-1]:.1f} s")
    await nothing_is_wrong(bank, talkers)


async def test_without_its_database_the_api_says_so_within_three_seconds(bank: Bank) -> None:
    customer = await (await bank.api.customer()).open()
    pid = bank.kill("postgres")
    answers: list[tuple[float, httpx.Response]] = []
    while not bank.stack.servers.keeper.is_ready("postgres") or bank.stack.servers.pids["postgres"] == pid:
        asked = time.monotonic()
        answer = await customer.say("How do I block my card?", wait=0, client_message_id="while-away")
        answers.append((time.monotonic() - asked, answer))
    async with asyncio.timeout(10):
        while (
            last := await customer.say("How do I block my card?", client_message_id="while-away")
        ).status_code == 503:
            await asyncio.sleep(0.1)
    assert last.status_code == 200, last.text
    assert last.json()["outcome"] == "answered"
    for took, answer in answers:
        assert took < 3.0, took
        assert answer.status_code in (202, 503), answer.text
        if answer.status_code == 503:
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.json()["code"] == "dependency_unavailable"
            assert int(answer.headers["Retry-After"]) > 0
    assert any(answer.status_code == 503 for _, answer in answers), "the database was never missed"
    assert [each["role"] for each in await customer.messages()].count("assistant") == 1


async def test_without_temporal_a_message_is_accepted_and_answered_later(bank: Bank) -> None:
    customer = await (await bank.api.customer()).open()
    pid = bank.kill("temporal")
    accepted = await customer.say("How do I block my card?", wait=0)
    assert accepted.status_code == 202, accepted.text
    await bank.back("temporal", pid)
    heard = await customer.hear(lambda seen: bool(seen.turns), within_s=40)
    assert heard.turns[0]["outcome"] == "answered"
    assert heard.differences() == []
