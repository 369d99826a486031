"""What an agent finds, and decisions that come too late or too early."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from helios.embedded.supervisor import Stack
from tests.caller import Api, Customer, Heard

SET_STATUS = "UPDATE escalations SET status = $2 WHERE id = $1::uuid"


@pytest.fixture
async def resolved(api: Api) -> str:
    """The address of an escalation that has been resolved: its workflow has ended."""
    customer = await (await api.customer()).open()
    await customer.say("I want to talk to a human being, please.")
    base = f"/v1/escalations/{(await customer.get()).json()['escalation_id']}"
    answer = await api.http.post(f"{base}/decision", json={"action": "resolve"}, headers=await api.staff("agent"))
    assert answer.json()["status"] == "closed"
    return base


@pytest.mark.parametrize(("what", "body"), [("claim", {}), ("release", {}), ("decision", {"action": "approve"})])
async def test_a_closed_escalation_is_a_conflict(api: Api, resolved: str, what: str, body: dict[str, str]) -> None:
    late = await api.http.post(f"{resolved}/{what}", json=body, headers=await api.staff("agent"))
    assert (late.status_code, late.json()["code"]) == (409, "escalation_closed")


async def test_one_whose_workflow_has_yet_to_start_is_to_be_tried_again(stack: Stack, api: Api, resolved: str) -> None:
    """The row is there first. A 404 would tell the agent that what the queue shows does not exist."""
    owner = await asyncpg.connect(stack.servers.admin_dsn)
    escalation_id = resolved.rpartition("/")[2]
    await owner.execute(SET_STATUS, escalation_id, "open")
    early = await api.http.post(f"{resolved}/claim", headers=await api.staff("agent"))
    await owner.execute(SET_STATUS, escalation_id, "closed")
    await owner.close()
    assert (early.status_code, early.json()["code"]) == (503, "workflow_unavailable")
    assert int(early.headers["Retry-After"]) > 0


async def test_the_draft_of_a_regulated_notice_speaks_of_what_was_noticed(api: Api) -> None:
    """Nobody who misses a payment says "unauthorised charge", as the article does that tells what to do about it."""
    customer = await (await api.customer()).open()
    await customer.say("There is a card payment on my account that I did not make")
    draft = await drafted(api, (await customer.get()).json()["escalation_id"])
    assert "dispute case" in draft, draft


async def drafted(api: Api, escalation_id: str) -> str:
    """The AI's draft, which is written beside the escalation."""
    async with asyncio.timeout(30):
        while True:
            asked = await api.http.get(f"/v1/escalations/{escalation_id}", headers=await api.staff("agent"))
            draft: Any = asked.json()["draft"]
            if draft:
                return str(draft)
            await asyncio.sleep(0.1)


async def test_a_regulated_notice_starts_its_clock_while_a_person_is_waited_for(api: Api) -> None:
    customer = await (await api.customer()).open()
    await customer.say("I want to talk to a human being, please.")
    escalation = f"/v1/escalations/{(await customer.get()).json()['escalation_id']}"
    agent = await api.staff("agent")
    before = (await api.http.get(escalation, headers=agent)).json()
    assert before["tickets"] == []
    for _ in range(2):
        await customer.say("There is a charge of 240 dollars on my card that I did not make.")
    asked = (await api.http.get(escalation, headers=agent)).json()
    (ticket,) = asked["tickets"]
    assert ticket["kind"] == "notice_of_error"
    assert asked["priority"] < before["priority"]
    notices = [each for each in await customer.messages() if each["role"] == "system" and each["turn"]]
    assert [ticket["id"][-8:].upper() in each["content"] for each in notices] == [True], notices


async def test_a_message_that_is_several_notices_opens_a_ticket_for_each(api: Api) -> None:
    """Each regulation's clock runs, whichever situation decided who answers; the deciding one's stands first."""
    customer = await (await api.customer()).open()
    await customer.say("I did not make this card payment of 90 dollars, and I want to file a formal complaint, "
                       "and I request a copy of all my personal data under GDPR")  # fmt: skip
    escalation = f"/v1/escalations/{(await customer.get()).json()['escalation_id']}"
    asked = (await api.http.get(escalation, headers=await api.staff("agent"))).json()
    kinds = [each["kind"] for each in asked["tickets"]]
    assert kinds[0] == "notice_of_error"
    assert set(kinds) == {"notice_of_error", "complaint", "data_request"}
    assert all(each["clocks"] for each in asked["tickets"])
    told = (await customer.messages())[-1]["content"]
    assert asked["tickets"][0]["id"][-8:].upper() in told, told


async def test_whoever_is_in_danger_hears_of_help_while_a_person_is_waited_for_and_is_first(api: Api) -> None:
    customer = await (await api.customer()).open()
    await customer.say("I want to talk to a human being, please.")
    escalation, agent = f"/v1/escalations/{(await customer.get()).json()['escalation_id']}", await api.staff("agent")
    before = (await api.http.get(escalation, headers=agent)).json()
    await customer.say("I want to kill myself")
    last = (await customer.messages())[-1]
    assert (last["role"], "988" in last["content"]) == ("system", True), last
    asked = (await api.http.get(escalation, headers=agent)).json()
    assert (asked["priority"], asked["due_at"] < before["due_at"]) == ("P0", True)
    told = await read_turns(customer, 2)
    opened = next(each.data for each in told if each.type == "escalation.opened")
    assert opened["due_zone"] == "America/New_York"
    updated = [each.data for each in told if each.type == "escalation.updated"]
    assert [(each["id"], each["status"]) for each in updated] == [(asked["id"], "open")]
    due = datetime.fromisoformat(updated[0]["due_at"])
    assert abs(due - datetime.fromisoformat(asked["due_at"])) < timedelta(milliseconds=1)
    assert set(updated[0]) == {"id", "status", "due_at", "agent_display_name"}


async def read_turns(customer: Customer, turns: int) -> list[Heard]:
    """Everything that the stream tells up to the end of so many turns."""
    told: list[Heard] = []
    async with aclosing(customer.events(None)) as events:
        async for event in events:
            told.append(event)
            if event.type == "turn.completed" and event.data["turn"] == turns:
                break
    return told
