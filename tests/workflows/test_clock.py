"""A ticket's clock as a workflow: weeks pass in a moment, workers die, people change things."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from helios.ticket_clocks import extended
from schema.clocks import CLOCK_WORKFLOW, clock_workflow_id
from schema.visibility import STATUS
from tests.workflows.conftest import sandboxed
from tests.workflows.scripted_batch import TICKET, OneTicket
from worker import steps_of
from workflows.clock import ClockWorkflow


@asynccontextmanager
async def working(client: Client, ticket: OneTicket, queue: str) -> AsyncIterator[None]:
    async with sandboxed(client, queue, [ClockWorkflow], steps_of(ticket), max_cached_workflows=0):
        yield


async def start(client: Client, queue: str) -> WorkflowHandle[Any, Any]:
    return await client.start_workflow(CLOCK_WORKFLOW, TICKET, id=clock_workflow_id(TICKET), task_queue=queue)


async def test_it_warns_and_tells_the_breach_at_the_deadline(skipping: WorkflowEnvironment) -> None:
    began, queue = await skipping.get_current_time(), f"test-{uuid4()}"
    ticket = OneTicket(began)
    async with working(skipping.client, ticket, queue):
        handle = await start(skipping.client, queue)
        await handle.result()
    assert ticket.rang == [("determination", "warning"), ("determination", "breach")]
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


async def test_a_breached_ticket_is_shown_as_closed_once_it_is_resolved(skipping: WorkflowEnvironment) -> None:
    """Its clock has nothing left to tell, and outlasts that: what ops see of it last is not the breach."""
    began, queue = await skipping.get_current_time(), f"test-{uuid4()}"
    ticket = OneTicket(began)
    async with working(skipping.client, ticket, queue):
        handle = await start(skipping.client, queue)
        await skipping.sleep(timedelta(days=15))
        assert await status_of(handle) == "breached"
        await handle.signal("ticket_changed")
        with skipping.auto_time_skipping_disabled():
            await handle.result()
    assert await status_of(handle) == "closed"


async def status_of(handle: WorkflowHandle[Any, Any]) -> str | None:
    return (await handle.describe()).typed_search_attributes.get(STATUS)
