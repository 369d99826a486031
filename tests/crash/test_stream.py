"""Resuming: wherever a connection is cut and whatever Valkey forgets, what was read is exactly what is stored."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from random import Random

from tests.caller import Customer, Heard, Transcript
from tests.crash.bank import Bank
from tests.crash.faults import Way
from tests.crash.points import FRAME_AFTER
from tests.crash.talkers import QUESTIONS
from tests.crash.test_people import customer_of
from tests.crash.verdict import backwards

LIVE_READERS = 6


async def read_in_pieces(customer: Customer, turn: int, random: Random) -> tuple[Transcript, list[str]]:
    """Up to the turn's end, over connections that are cut after any number of events, also after none."""
    transcript, ids = Transcript(), []
    async with asyncio.timeout(40):
        while not any(each["turn"] == turn for each in transcript.turns):
            left = random.choice((0, 1, 1, 2, 3, 5, 8, 40))
            async with aclosing(customer.events(transcript.last_id)) as events:
                while left > 0:
                    event = await anext(events)
                    transcript.hear(event)
                    ids.append(event.id)
                    left -= 1
                    if event.type == "turn.completed" and event.data["turn"] == turn:
                        break
    return transcript, ids


async def stored(customer: Customer) -> dict[str, str]:
    return {each["id"]: each["content"] for each in await customer.messages() if each["role"] != "customer"}


async def holds_exactly_the_stored(customer: Customer, transcript: Transcript, ids: list[str]) -> None:
    texts = await stored(customer)
    assert {each: transcript.texts.get(each) for each in transcript.completed} == texts
    assert backwards(ids) == []
    assert sorted(each["turn"] for each in transcript.turns) == list(range(1, len(transcript.turns) + 1))


async def test_readers_who_are_cut_anywhere_while_it_is_written(bank: Bank, random: Random, rounds: int) -> None:
    """Live, with a Valkey that forgets everything at some moment of the second turn."""
    for _ in range(rounds):
        for way in ("local", "remote"):
            customer = await customer_of(bank, way)
            for turn in (1, 2, 3):
                said = await customer.say(random.choice(QUESTIONS), wait=0)
                readers = [read_in_pieces(customer, turn, Random(random.random())) for _ in range(LIVE_READERS)]
                reading = asyncio.gather(*readers)
                if turn == 2:
                    await asyncio.sleep(random.uniform(0, 1.0))
                    await bank.forget()
                for transcript, ids in await reading:
                    assert said.json()["turn"] == turn
                    await holds_exactly_the_stored(customer, transcript, ids)


async def test_resuming_after_any_event_gives_the_rest_also_when_the_words_are_gone(bank: Bank, random: Random) -> None:
    """Every place of a conversation with a crash in it, before and after Valkey forgets."""
    way: Way = random.choice(("local", "remote"))
    await bank.faults.until_workers(2)
    customer = await customer_of(bank, way)
    bank.faults.arm(FRAME_AFTER, way, skip=random.randint(1, 2))
    await customer.say("How do I block my card?", wait=0)
    await bank.faults.fired()
    await customer.hear(lambda seen: bool(seen.turns), within_s=40)
    everything = await _all(customer, None)
    assert any(each.type == "message.reset" for each in everything), "the second attempt takes the first one back"
    for forgotten in (False, True):
        if forgotten:
            await bank.forget()
        for place in range(len(everything)):
            transcript = Transcript()
            ids = []
            for event in (*everything[:place], *await _all(customer, everything[place - 1].id if place else None)):
                transcript.hear(event)
                ids.append(event.id)
            await holds_exactly_the_stored(customer, transcript, ids)
            if not forgotten:
                assert ids == [each.id for each in everything], place


async def test_a_reader_who_comes_in_the_middle_of_a_second_attempt_reads_along(bank: Bank) -> None:
    """Stages that the first attempt told are not told again: their numbers stay free, and nobody waits for them."""
    await bank.faults.until_workers(2)
    customer = await customer_of(bank, "remote")
    bank.faults.arm(FRAME_AFTER, "remote", skip=1)
    await customer.say("How do I block my card?", wait=0)
    await bank.faults.fired()
    seen: list[str] = []
    async with asyncio.timeout(30), aclosing(customer.events()) as events:
        async for event in events:
            if event.type == "message.delta" and event.data["turn"] == 1 and event.data["attempt"] == 2:
                break
    async with asyncio.timeout(30), aclosing(customer.events()) as events:
        async for event in events:
            if event.data.get("turn") == 1:
                seen.append(event.type)
            if event.type == "turn.completed":
                break
    review = [n for n, each in enumerate(seen) if each == "turn.stage"][-2]
    assert "message.delta" in seen[seen.index("message.reset") : review], seen


async def _all(customer: Customer, after: str | None) -> list[Heard]:
    """Events up to the end of the first turn, on one connection; none are left after that."""
    heard: list[Heard] = []
    async with asyncio.timeout(10), aclosing(customer.events(after)) as events:
        async for event in events:
            heard.append(event)
            if event.type == "turn.completed":
                break
    return heard
