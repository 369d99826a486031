"""Many at once, and the three ways in which a message is answered."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.caller import Api, parse_events


async def test_twenty_messages_at_once_are_each_in_one_turn(api: Api) -> None:
    customer = await (await api.customer()).open()
    words = [f"Question number {n}: which fees are there?" for n in range(20)]
    answers = await asyncio.gather(*(customer.say(each, wait=0) for each in words))
    assert {answer.status_code for answer in answers} == {202}
    taken = {answer.json()["message_id"]: answer.json()["turn"] for answer in answers}
    assert len(taken) == 20
    turns = set(taken.values())
    heard = await customer.hear(lambda seen: {turn["turn"] for turn in seen.turns} >= turns)
    assert Counter(turn["turn"] for turn in heard.turns) == Counter(turns)
    messages = await customer.messages()
    assert {each["id"]: each["turn"] for each in messages if each["role"] == "customer"} == taken
    replies = Counter(each["turn"] for each in messages if each["role"] == "assistant")
    assert replies == Counter(turns)
    assert heard.differences() == []


async def test_a_wait_gives_the_reply_and_none_gives_a_202(api: Api) -> None:
    customer = await (await api.customer()).open()
    at_once = await customer.say("How do I block my card?", wait=0)
    assert at_once.status_code == 202
    assert at_once.json().keys() == {"message_id", "turn"}
    waited = await customer.say("Which fees are there?", wait=60)
    assert waited.status_code == 200
    assert waited.json().keys() >= {"message", "reply", "outcome"}
    assert waited.json()["reply"]["turn"] == waited.json()["message"]["turn"]
    short = await customer.say("How do I close my account?", wait=0.001)
    assert short.status_code in (200, 202)


async def test_a_stream_of_one_turn_holds_that_turn_and_ends(api: Api) -> None:
    customer = await (await api.customer()).open()
    await customer.say("How do I block my card?")
    headers = {**customer.headers, "Accept": "text/event-stream"}
    for _ in range(2):  # the same message again streams the same turn again
        body = {"content": "Which fees are there?", "client_message_id": "streamed"}
        async with asyncio.timeout(30):
            path = f"{customer.path}/messages"
            async with api.http.stream("POST", path, json=body, headers=headers) as answer:
                assert answer.status_code == 200
                events = [event async for event in parse_events(answer)]
        assert events[-1].type == "turn.completed"
        assert {event.data.get("turn") for event in events} == {2}
        text = "".join(event.data["text"] for event in events if event.type == "message.delta")
        replies = [
            event.data for event in events if event.type == "message.completed" and event.data["role"] == "assistant"
        ]
        assert [reply["content"] for reply in replies] == [text]
