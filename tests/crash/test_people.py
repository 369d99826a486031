"""Crashes around what people do: a stop, a decision, and a worker that comes back from the dead."""

from __future__ import annotations

import asyncio
import os
import signal
from random import Random
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError

from helios.settings import Settings
from helios.temporal import connect
from schema.steps import escalation_workflow_id
from tests.caller import Customer
from tests.crash.bank import WORKERS, Bank
from tests.crash.faults import Way
from tests.crash.points import BOUNDARIES, DECISIONS, FRAME_AFTER, Point, is_local
from tests.crash.talkers import FRAUD, Talker
from tests.crash.verdict import nothing_is_wrong

QUESTION = "How do I block my card?"
DELIVERED = next(each for each in BOUNDARIES if each.attribute == "deliver")
DECIDED = text(
    "SELECT count(*) FROM audits WHERE tenant_id = :tenant_id AND action = 'escalation.decided' AND subject_id = :id"
)


async def customer_of(bank: Bank, way: Way) -> Customer:
    """A customer whose conversation is answered in this way."""
    while True:
        customer = await (await bank.api.customer()).open()
        if is_local(UUID(customer.conversation)) == (way == "local"):
            return customer


def listener(customer: Customer) -> Talker:
    return Talker(customer, "asks", Random(0))


async def test_a_worker_that_was_thought_dead_writes_into_nothing(bank: Bank, random: Random, rounds: int) -> None:
    """It is frozen in mid-stream for longer than every timeout, and thaws while its successor writes or has written."""
    ways: list[Way] = ["local", "remote"]
    for way in ways * (rounds - 1) or [random.choice(ways)]:
        await _frozen(bank, way, random)


async def _frozen(bank: Bank, way: Way, random: Random) -> None:
    await bank.faults.until_workers(WORKERS)
    talker = listener(await customer_of(bank, way))
    listening = asyncio.create_task(talker.listen())
    bank.faults.arm(FRAME_AFTER, way, skip=random.randint(0, 1), action="freeze")
    turn = await talker.say(QUESTION)
    zombie = await bank.faults.fired()
    try:
        async with asyncio.timeout(30):
            await talker.until_ended(turn)
    finally:
        os.kill(zombie, signal.SIGCONT)
    further = await talker.say("What does it cost to send money abroad?")
    async with asyncio.timeout(30):
        await talker.until_ended(further)
    listening.cancel()
    await nothing_is_wrong(bank, [talker])


@pytest.mark.parametrize("way", ["local", "remote"])
async def test_a_worker_killed_while_the_customer_stops(bank: Bank, way: Way) -> None:
    await bank.faults.until_workers(WORKERS)
    talker = listener(await customer_of(bank, way))
    listening = asyncio.create_task(talker.listen())
    bank.faults.arm(FRAME_AFTER, way, skip=2)
    turn = await talker.say(QUESTION)
    await talker.stop_at_first_words(turn)
    try:
        await bank.faults.fired(within_s=2.0)
    except TimeoutError:
        bank.faults.disarm()  # the stop was faster
    async with asyncio.timeout(30):
        await talker.until_ended(turn)
    listening.cancel()
    await nothing_is_wrong(bank, [talker])


async def test_an_escalation_whose_worker_died_as_it_was_opened_is_decided_once(bank: Bank, random: Random) -> None:
    """Killed after the end of the turn, then in the middle of the decision: the person's words arrive once."""
    await bank.faults.until_workers(WORKERS)
    talker = listener(await (await bank.api.customer()).open())
    listening = asyncio.create_task(talker.listen())
    bank.faults.arm(DELIVERED)
    turn = await talker.say(FRAUD)
    await bank.faults.fired()
    async with asyncio.timeout(30):
        await talker.until_ended(turn)
    escalation_id = (await talker.customer.get()).json()["escalation_id"]
    await _its_workflow_runs(bank, escalation_id)
    await bank.faults.until_workers(WORKERS)
    point: Point = random.choice(DECISIONS)
    bank.faults.arm(point)
    agent = {**await bank.api.staff("agent"), "Idempotency-Key": str(uuid4())}
    words = {"action": "respond", "content": "This is a person. I have blocked your card and will call you."}
    async with asyncio.timeout(40):
        while True:
            decided = await bank.api.http.post(f"/v1/escalations/{escalation_id}/decision", json=words, headers=agent)
            if decided.status_code not in (409, 503):
                break
            await asyncio.sleep(0.3)
    assert decided.status_code == 200, decided.text
    await bank.faults.fired(within_s=1.0)
    written = [each for each in await talker.customer.messages() if each["role"] == "agent"]
    assert [each["content"] for each in written] == [words["content"]], point.name
    async with bank.database.tenant(bank.tenant_id) as connection:
        where = {"tenant_id": bank.tenant_id, "id": escalation_id}
        assert (await connection.execute(DECIDED, where)).scalar_one() == 1, point.name
    async with asyncio.timeout(10):
        while written[0]["id"] not in talker.transcript.completed:
            await asyncio.sleep(0.02)
    listening.cancel()
    await nothing_is_wrong(bank, [talker])


async def _its_workflow_runs(bank: Bank, escalation_id: str) -> None:
    address = bank.stack.servers.temporal_address
    client = await connect(Settings(temporal_address=address), bank.keyring)
    handle = client.get_workflow_handle(escalation_workflow_id(bank.tenant_id, UUID(escalation_id)))
    async with asyncio.timeout(15):
        while True:
            try:
                assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
                return
            except RPCError:
                await asyncio.sleep(0.1)
