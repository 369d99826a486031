"""Customers who talk while things break: each listens to a stream that it resumes, and posts until it is accepted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Literal
from uuid import UUID, uuid4

import httpx

from tests.caller import Api, Customer, Transcript
from tests.crash.points import is_local

Manner = Literal["asks", "bursts", "stops", "asks_for_a_person", "reports_fraud"]
QUESTIONS = (
    "What does it cost to send money abroad?",
    "How do I block my card?",
    "How do I change my address?",
    "How long does a transfer take?",
    "How do I open a savings account?",
    "How do I set a limit on my card?",
)
PERSON = "I want to talk to a human being, please."
FRAUD = "There is a card payment of 250 dollars on my account that I did not make. Please help."
LETTERS = str.maketrans("0123456789", "ghijklmnop")
AGAIN_S = 0.15
THINKS_S = (0.5, 3.0)
CUT_EVERY = 25
"""A client loses its connection about once in so many events."""


@dataclass(slots=True)
class Talker:
    """One customer, what they said and what they have read."""

    customer: Customer
    manner: Manner
    random: Random
    transcript: Transcript = field(default_factory=Transcript)
    accepted: dict[str, tuple[str, int]] = field(default_factory=dict)
    """By client_message_id: the message's id and its turn, as every answer said."""
    ids: list[str] = field(default_factory=list)
    """The id of every event, in the order of arrival."""
    waits: list[float] = field(default_factory=list)
    """Seconds from each acceptance to the end of its turn."""
    refusals: list[int] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def conversation(self) -> UUID:
        return UUID(self.customer.conversation)

    @property
    def way(self) -> str:
        return "local" if is_local(self.conversation) else "remote"

    async def listen(self) -> None:
        """For ever. A connection that breaks is taken up after the last event, with nothing forgotten."""
        while True:
            left = self.random.randint(1, 2 * CUT_EVERY)
            try:
                async with aclosing(self.customer.events(self.transcript.last_id)) as events:
                    async for event in events:
                        self.transcript.hear(event)
                        self.ids.append(event.id)
                        self.heard.set()
                        left -= 1
                        if left <= 0:
                            break
            except (httpx.TransportError, AssertionError):
                await asyncio.sleep(AGAIN_S)

    async def talk(self, enough: asyncio.Event) -> None:
        """Turn after turn until it is enough; at least one, and the last one to its end."""
        count = 0
        while not (enough.is_set() and count):
            count += 1
            await self.one_turn(count)
            await asyncio.sleep(self.random.uniform(*THINKS_S))

    async def one_turn(self, count: int) -> None:
        started = time.monotonic()
        if self.manner == "bursts":
            turns = await asyncio.gather(
                *(self.say(f"{self._words(count)} Also: {n}") for n in ("one", "two", "three"))
            )
        else:
            turns = [await self.say(self._words(count))]
        if self.manner == "stops":
            await self.stop_at_first_words(turns[0])
        for turn in turns:
            await self.until_ended(turn)
        self.waits.append(time.monotonic() - started)

    def _words(self, count: int) -> str:
        if count == 1 and self.manner == "asks_for_a_person":
            return PERSON
        if count == 1 and self.manner == "reports_fraud":
            return FRAUD
        return self.random.choice(QUESTIONS)

    async def say(self, words: str) -> int:
        """Posts until it is accepted, always under the same id. The turn."""
        # Without digits: an id in which a card number could be seen is kept as an index of itself.
        mine = uuid4().hex.translate(LETTERS)
        while True:
            try:
                answer = await self.customer.say(words, wait=0, client_message_id=mine)
            except httpx.TransportError:
                await asyncio.sleep(AGAIN_S)
                continue
            if answer.status_code == 202:
                told = (answer.json()["message_id"], answer.json()["turn"])
                assert self.accepted.setdefault(mine, told) == told, "the same message was accepted twice"
                if self.random.random() < 0.1:
                    continue  # as if the answer had been lost
                return int(told[1])
            self.refusals.append(answer.status_code)
            assert answer.status_code == 503, answer.text
            await asyncio.sleep(AGAIN_S)

    async def stop_at_first_words(self, turn: int) -> None:
        seen = set(self.transcript.texts)
        while not self.ended(turn) and not set(self.transcript.texts) - seen:
            await self._until_heard()
        try:
            await self.customer.post("stop")
        except httpx.TransportError:
            return  # then the turn goes on to its end

    async def until_ended(self, turn: int) -> None:
        while not self.ended(turn):
            await self._until_heard()

    async def _until_heard(self) -> None:
        self.heard.clear()
        await self.heard.wait()

    def ended(self, turn: int) -> bool:
        return any(each["turn"] == turn for each in self.transcript.turns)


MANNERS: tuple[Manner, ...] = ("asks", "bursts", "asks", "asks", "stops", "asks", "asks", "asks", "asks", "asks")
SPECIAL: dict[int, Manner] = {3: "asks_for_a_person", 13: "reports_fraud"}


async def open_talkers(api: Api, count: int, random: Random) -> list[Talker]:
    """Customers with a conversation each, of every manner."""
    manners = [SPECIAL.get(n, MANNERS[n % len(MANNERS)]) for n in range(count)]

    async def one(manner: Manner) -> Talker:
        return Talker(await (await api.customer()).open(), manner, Random(random.random()))

    return list(await asyncio.gather(*(one(manner) for manner in manners)))


@asynccontextmanager
async def talking(talkers: list[Talker], *, finish_within_s: float = 60.0) -> AsyncIterator[None]:
    """They talk while the body runs; afterwards each finishes the turn that it is in."""
    enough = asyncio.Event()
    listeners = [asyncio.create_task(each.listen()) for each in talkers]
    talks = [asyncio.create_task(each.talk(enough)) for each in talkers]
    try:
        yield
        enough.set()
        _, late = await asyncio.wait(talks, timeout=finish_within_s, return_when=asyncio.FIRST_EXCEPTION)
        for done in talks:
            if done.done():
                done.result()
        assert not late, f"{len(late)} of {len(talks)} customers still wait for an answer"
    finally:
        for task in (*talks, *listeners):
            task.cancel()
        await asyncio.gather(*talks, *listeners, return_exceptions=True)
