"""A customer stops while the model's provider is silent: the turn ends at once, and the provider is let go. Whatever
else ends a step stops nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from helios.frames import Frames, connect
from helios.settings import Settings
from helios.temporal import connect as connect_temporal
from schema.steps import conversation_workflow_id
from tests.caller import Customer, Transcript
from tests.crash.bank import ANSWER, SLOWLY, Bank
from tests.crash.test_people import customer_of
from tests.llm.provider_wire import Scenario

QUESTION = "How do I change my address?"
BEFORE_THE_FIRST_WORD = Scenario("hang")
IN_MID_STREAM = Scenario("hang_mid", text=ANSWER, after=20)
SIGNS_OF_LIFE = Scenario("chatter", text=ANSWER, after=20)


@pytest.fixture
async def customer(bank: Bank) -> AsyncIterator[Customer]:
    """Whose answers come from the provider. What the provider plays ends with the test."""
    bank.provider.requests.clear()
    yield await customer_of(bank, "remote")
    bank.provider.play(SLOWLY)


async def asked(bank: Bank, customer: Customer, scenario: Scenario) -> Transcript:
    """The turn runs, and the provider has gone silent: what the customer has read until then."""
    bank.provider.play(scenario)
    assert (await customer.say(QUESTION, wait=0)).status_code == 202
    await bank.provider.wait_for(lambda server: bool(server.requests), timeout_s=30)
    if scenario.text is None:
        return Transcript()
    return await customer.hear(lambda heard: any("[1]" in words for words in heard.texts.values()))


async def assert_stopped(bank: Bank, customer: Customer, heard: Transcript) -> None:
    heard = await customer.hear(lambda seen: bool(seen.turns), transcript=heard)
    assert heard.turns == [{"turn": 1, "outcome": "stopped"}]
    assert heard.differences() == []
    await bank.provider.wait_for(lambda server: server.requests[-1].disconnected)
    assert len(bank.provider.requests) == 1


@pytest.mark.parametrize("scenario", [BEFORE_THE_FIRST_WORD, IN_MID_STREAM, SIGNS_OF_LIFE], ids=lambda each: each.kind)
async def test_a_stop_ends_a_silent_providers_turn(bank: Bank, customer: Customer, scenario: Scenario) -> None:
    heard = await asked(bank, customer, scenario)
    assert (await customer.post("stop")).json() == {"turn": 1}
    await assert_stopped(bank, customer, heard)
    reply = [each for each in await customer.messages() if each["role"] == "assistant"]
    assert len(reply) == 1
    assert ANSWER.startswith(reply[0]["content"])
    assert bool(reply[0]["content"]) == (scenario.text is not None)


@pytest.mark.parametrize("scenario", [BEFORE_THE_FIRST_WORD, IN_MID_STREAM], ids=lambda each: each.kind)
async def test_the_flag_alone_ends_it(bank: Bank, customer: Customer, scenario: Scenario) -> None:
    """The workflow's signal takes seconds to be heard while a local step runs; the flag is seen at once."""
    heard = await asked(bank, customer, scenario)
    async with connect(bank.stack.servers.redis_url) as valkey:
        await Frames(valkey).stop(bank.tenant_id, UUID(customer.conversation), 1)
    await assert_stopped(bank, customer, heard)


async def test_what_nobody_stopped_is_answered_whole(bank: Bank, customer: Customer) -> None:
    """A step is cancelled as well when its worker loses the run: to another, for being slow, or because ops end it."""
    heard = await asked(bank, customer, IN_MID_STREAM)
    bank.provider.play(SLOWLY)
    client = await connect_temporal(Settings(temporal_address=bank.stack.servers.temporal_address), bank.keyring)
    run = client.get_workflow_handle(conversation_workflow_id(bank.tenant_id, UUID(customer.conversation)))
    await run.terminate("a test of ours")
    heard = await customer.hear(lambda seen: bool(seen.turns), transcript=heard)
    assert heard.turns == [{"turn": 1, "outcome": "answered"}]
    (reply,) = [each["content"] for each in await customer.messages() if each["role"] == "assistant"]
    assert reply.endswith(ANSWER[-40:])
