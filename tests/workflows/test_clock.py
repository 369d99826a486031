"""A ticket's clock as a workflow: weeks pass in a moment, workers die, people change things."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.signatures import ClockSteps
from helios.ticket_clocks import Clocks, extended, rung, ticking
from schema.clocks import CLOCK_WORKFLOW, Ring, TicketRef, Ticking, clock_workflow_id
from tests.workflows.scripted import TENANT
from worker import sandboxed_runner
from workflows.clock import ClockWorkflow

REF = TicketRef(TENANT, UUID("01900000-0000-7000-8000-0000000000f1"))


class OneTicket(ClockSteps):
    """A ticket in memory, by the rules of the real one. `rang` has each alarm that was told."""

    def __init__(self, received_at: datetime) -> None:
        self.received_at = received_at
        self.status = "open"
        self.rang: list[tuple[str, str]] = []
        due = {"determination": 14, "investigation": 45}
        self.clocks: Clocks = [
            {"name": name, "due_at": (received_at + timedelta(days=days)).isoformat(), "state": state}
            for (name, days), state in zip(due.items(), ("running", "waiting"), strict=True)
        ]

    def ticking(self) -> Ticking:
        return ticking(self.status, self.clocks, self.received_at)

    @activity.defn
    async def look_at_ticket(self, ref: TicketRef) -> Ticking:
        return self.ticking()

    @activity.defn
    async def ring(self, work: Ring) -> Ticking:
        after = rung(self.clocks, work.alarm) if self.status == "open" else None
        if after is not None:
            self.rang.append((work.alarm.clock, work.alarm.kind))
            self.clocks = after
        return self.ticking()


@asynccontextmanager
async def working(client: Client, ticket: OneTicket, queue: str) -> AsyncIterator[None]:
    async with Worker(
        client,
        task_queue=queue,
        workflows=[ClockWorkflow],
        activities=[ticket.look_at_ticket, ticket.ring],
        workflow_runner=sandboxed_runner(),
        max_cached_workflows=0,
    ):
        yield


async def start(client: Client, queue: str) -> WorkflowHandle[Any, Any]:
    return await client.start_workflow(CLOCK_WORKFLOW, REF, id=clock_workflow_id(REF), task_queue=queue)


async def test_it_warns_and_tells_the_breach_at_the_deadline(skipping: WorkflowEnvironment) -> None:
    began, queue = await skipping.get_current_time(), f"test-{uuid4()}"
    ticket = OneTicket(began)
    async with working(skipping.client, ticket, queue):
        await (await start(skipping.client, queue)).result()
    assert ticket.rang == [("determination", "warning"), ("determination", "breach")]
    assert ticket.ticking().status == "breached"
    assert await skipping.get_current_time() - began >= timedelta(days=14)


async def test_a_worker_that_dies_in_between_loses_no_deadline(skipping: WorkflowEnvironment) -> None:
    began, queue = await skipping.get_current_time(), f"test-{uuid4()}"
    ticket = OneTicket(began)
    async with working(skipping.client, ticket, queue):
        handle = await start(skipping.client, queue)
        await skipping.sleep(timedelta(days=12))
    assert ticket.rang == [("determination", "warning")]
    async with working(skipping.client, ticket, queue):
        await handle.result()
    assert ticket.rang[1:] == [("determination", "breach")]


async def test_an_extension_moves_the_deadline_also_where_no_signal_told_of_it(skipping: WorkflowEnvironment) -> None:
    began, queue = await skipping.get_current_time(), f"test-{uuid4()}"
    ticket = OneTicket(began)
    async with working(skipping.client, ticket, queue):
        handle = await start(skipping.client, queue)
        await skipping.sleep(timedelta(days=12))
        ticket.clocks = extended(ticket.clocks, "investigation", provisional_credit=True, now=began)
        await handle.result()
    assert ticket.rang == [
        ("determination", "warning"),
        ("investigation", "warning"),
        ("investigation", "breach"),
    ]


async def test_a_resolved_ticket_rings_no_more(skipping: WorkflowEnvironment) -> None:
    began, queue = await skipping.get_current_time(), f"test-{uuid4()}"
    ticket = OneTicket(began)
    async with working(skipping.client, ticket, queue):
        handle = await start(skipping.client, queue)
        await skipping.sleep(timedelta(days=2))
        ticket.status = "resolved"
        await handle.signal("ticket_changed")
        await handle.result()
    assert ticket.rang == []
