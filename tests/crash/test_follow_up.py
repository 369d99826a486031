"""Workers die while customers are told of a withdrawal: each is told once all the same."""

from __future__ import annotations

import asyncio
from functools import partial
from random import Random
from typing import Any
from uuid import uuid4

from tests.caller import Customer, Transcript
from tests.crash.bank import WORKERS, Bank
from tests.crash.points import CORRECTIONS, TELLING, Point
from tests.knowledge_editing import decide, publish
from tests.turns.test_follow_ups import ask, corrections, done, provenance

CUSTOMERS = 3


async def test_a_worker_killed_in_the_midst_of_a_follow_up(bank: Bank, random: Random, rounds: int) -> None:
    """While a conversation is corrected; in a soak while it signals, too, which is noticed by its missing heartbeat."""
    await bank.faults.until_workers(WORKERS)
    name = f"Kaka{uuid4().hex[:8]}"
    version = await publish(bank.api, f"The {name} card costs 13 dollars a year.", title=f"The {name} card")
    customers = await asyncio.gather(*(told(bank, f"What does the {name} card cost a year?") for _ in range(CUSTOMERS)))
    await customers[0].post("close")
    await decide(bank.api, version, "withdraw")
    points: list[Point] = [random.choice(each) for each in ([TELLING, CORRECTIONS] if rounds > 1 else [CORRECTIONS])]
    bank.faults.arm(points[0])
    follow_up = await ask(bank.api, version)
    assert follow_up["conversations"] == CUSTOMERS
    await bank.faults.fired()
    if rounds > 1:
        bank.faults.arm(points[1])
        await bank.faults.fired()
    ended = await done(bank.api, follow_up)
    assert ended["progress"] == {"pending": 0, "told": CUSTOMERS - 1, "person": 1, "left_out": 0}, points
    for customer in customers:
        notices = await corrections(customer, version["title"])
        assert len(notices) == (customer is not customers[0]), points
        assert len(await provenance(bank.api, customer)) == 1
        heard = await customer.hear(partial(has_heard, notices))
        assert heard.differences() == []


async def told(bank: Bank, question: str) -> Customer:
    customer = await (await bank.api.customer()).open()
    reply = (await customer.say(question)).json()["reply"]
    assert reply["citations"]
    return customer


def has_heard(notices: list[dict[str, Any]], seen: Transcript) -> bool:
    return all(each["id"] in seen.completed for each in notices)
