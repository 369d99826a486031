"""Regulated clocks on the real stack: they start by themselves, ring, are met, extended and resolved."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from activities.clocks import ring
from activities.resources import Resources
from helios import frames
from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.keyring import Keyring
from helios.settings import Settings
from helios.temporal import connect
from schema.clocks import Alarm, Ring, TicketRef, clock_workflow_id
from tests.api.problems import assert_problem
from tests.rules.conftest import Bank

CHARGE = "There is a charge of 240 dollars on my card that I did not make."
OVERDUE = (
    "UPDATE tickets SET received_at = received_at - interval '60 days', clocks = CAST(:clocks AS jsonb) WHERE id = :id"
)


class Desk:
    """A ticket and what an agent does with it."""

    def __init__(self, bank: Bank, ticket_id: str) -> None:
        self.bank, self.path = bank, f"/v1/tickets/{ticket_id}"
        self.ref = TicketRef(bank.tenant_id, UUID(ticket_id))

    async def get(self) -> Any:
        return await self.bank.get(self.path)

    async def post(self, action: str, **body: Any) -> httpx.Response:
        headers = await self.bank.api.staff("agent")
        told = {"reason": "As told.", **body}
        return await self.bank.api.http.post(f"{self.path}/{action}", json=told, headers=headers)

    async def until(self, holds: Callable[[Any], bool]) -> Any:
        async with asyncio.timeout(30):
            while not holds(found := await self.get()):
                await asyncio.sleep(0.1)
        return found


@pytest.fixture
async def desk(bank: Bank) -> Desk:
    customer = await (await bank.api.customer()).open()
    assert (await customer.say(CHARGE)).json()["outcome"] == "escalated"
    listed = (await bank.get("/v1/tickets?status=open&kind=notice_of_error"))["items"]
    assert [each["conversation_id"] for each in listed] == [customer.conversation]
    return Desk(bank, listed[0]["id"])


@pytest.fixture
async def resources(stack: Stack, database: Database) -> Any:
    valkey = frames.connect(stack.servers.redis_url)
    yield cast(Resources, SimpleNamespace(database=database, frames=frames.Frames(valkey)))
    await valkey.aclose()


def states(ticket: Any) -> dict[str, str]:
    return {each["name"]: each["state"] for each in ticket["clocks"]}


def days_left(ticket: Any, clock: str) -> int:
    due = next(each["due_at"] for each in ticket["clocks"] if each["name"] == clock)
    return (datetime.fromisoformat(due) - datetime.now(UTC)).days


async def test_a_clock_starts_by_itself_and_is_extended_met_and_resolved(
    desk: Desk, stack: Stack, keyring: Keyring
) -> None:
    ticket = await desk.until(lambda found: found["clock_started_at"] is not None)
    assert states(ticket)["determination"] == "running"
    assert days_left(ticket, "determination") >= 10
    refused = await desk.post("extend", clock="investigation")
    assert "provisional credit" in assert_problem(refused, code="ticket_conflict")["detail"]
    extended = await desk.post("extend", clock="investigation", provisional_credit=True)
    assert extended.status_code == 200, extended.text
    assert states(extended.json())["investigation"] == "running"
    unmet = await desk.post("meet", clock="determination")
    why = "determination cannot be met: it is extended, so nothing is due by it."
    assert assert_problem(unmet, code="ticket_conflict")["detail"] == why
    again = await desk.post("extend", clock="investigation", provisional_credit=True)
    why = "determination cannot be extended again: investigation is running."
    assert assert_problem(again, code="ticket_conflict")["detail"] == why
    assert states((await desk.post("meet", clock="investigation")).json())["investigation"] == "met"
    resolved = (await desk.post("resolve")).json()
    assert [(each["type"], each["reason"]) for each in resolved["history"]] == [
        ("opened", None), ("clock_extended", "As told."), ("clock_met", "As told."), ("resolved", "As told.")
    ]  # fmt: skip
    assert resolved["history"][0]["at"] == ticket["created_at"]
    assert_problem(await desk.post("resolve"), code="ticket_conflict")
    client = await connect(Settings(temporal_address=stack.servers.temporal_address), keyring)
    # It hears of the end, and ends.
    await asyncio.wait_for(client.get_workflow_handle(clock_workflow_id(desk.ref)).result(), 20)
    audited = (await desk.bank.get("/v1/audit/events?action=ticket"))["items"]
    assert {each["action"] for each in audited} >= {"ticket.opened", "ticket.clock_extended", "ticket.resolved"}


async def test_a_deadline_that_has_passed_is_told_once_and_found_by_ops(
    desk: Desk, database: Database, stack: Stack, keyring: Keyring, resources: Resources
) -> None:
    """The ticket's time is turned back, and its clock is woken."""
    await desk.until(lambda found: found["clock_started_at"] is not None)
    await overdue(desk, database)
    client = await connect(Settings(temporal_address=stack.servers.temporal_address), keyring)
    await client.get_workflow_handle(clock_workflow_id(desk.ref)).signal("ticket_changed")
    ticket = await desk.until(lambda found: states(found)["determination"] == "breached")
    assert [(each["type"], each["clock"]) for each in ticket["history"]] == [
        ("opened", None), ("clock_warned", "determination"), ("clock_breached", "determination")
    ]  # fmt: skip
    again = Ring(desk.ref, Alarm("determination", "breach", datetime.now(UTC)))
    assert (await ring(resources, again)).status == "breached"
    assert len((await desk.get())["history"]) == 3
    events = (await desk.bank.get("/v1/audit/events?action=ticket.clock_breached"))["items"]
    assert [each["subject"]["id"] for each in events] == [str(desk.ref.ticket_id)]
    metrics = (await desk.bank.api.http.get("/metrics")).text
    assert 'helios_ticket_clock_alarms_total{kind="notice_of_error",alarm="breach"}' in metrics
    query = f"WorkflowId = '{clock_workflow_id(desk.ref)}' AND HeliosStatus = 'breached'"
    async with asyncio.timeout(20):
        while not [each async for each in client.list_workflows(query)]:
            await asyncio.sleep(0.1)
    refused = await desk.post("extend", clock="investigation", provisional_credit=True)
    assert assert_problem(refused, code="ticket_conflict")["detail"] == (
        "determination cannot be extended to investigation: it is breached, and only a clock that still runs can be."
    )
    # Resolved in the end, it is listed no more.
    assert (await desk.post("resolve")).status_code == 200
    await asyncio.wait_for(client.get_workflow_handle(clock_workflow_id(desk.ref)).result(), 20)
    async with asyncio.timeout(20):
        while [each async for each in client.list_workflows(query)]:
            await asyncio.sleep(0.1)


async def overdue(desk: Desk, database: Database) -> None:
    clocks = (await desk.get())["clocks"]
    earlier = [
        {**each, "due_at": (datetime.fromisoformat(each["due_at"]) - timedelta(days=60)).isoformat()} for each in clocks
    ]
    async with database.tenant(desk.ref.tenant_id) as connection:
        await connection.execute(text(OVERDUE), {"clocks": json.dumps(earlier), "id": desk.ref.ticket_id})
