"""A noisy tenant: its bounds in each process, which leave room for the others. How much is measured in benchmarks/."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from temporalio.client import Client

from api.at_work import AtWork
from api.problems import Problem
from helios.database import Database
from helios.embedded.supervisor import Stack
from schema.steps import conversation_workflow_id
from tests.api.beside import api_beside
from tests.api.conftest import Things
from tests.api.problems import assert_problem
from tests.neighbour import Neighbour


async def test_a_tenant_never_holds_the_whole_pool(stack: Stack, tenant_id: Any, neighbour: Neighbour) -> None:
    database = Database(stack.servers.app_dsn, pool_size=3, max_overflow=1, pool_timeout_s=0.5, begin_within_s=0.5)
    try:
        async with AsyncExitStack() as held:
            for _ in range(3):
                await held.enter_async_context(database.tenant(tenant_id))
            with pytest.raises(TimeoutError):
                async with database.tenant(tenant_id):
                    pass
            async with database.tenant(neighbour.tenant_id) as connection:
                assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1
        async with database.tenant(tenant_id) as connection:
            assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1
    finally:
        await database.close()


def test_too_many_requests_of_a_tenant_at_once_are_refused_and_others_are_not() -> None:
    at_work = AtWork(2)
    with at_work.one("a"), at_work.one("a"):
        with pytest.raises(Problem, match="rate_limited"):
            at_work.one("a")
        with at_work.one("b"):
            pass
    with at_work.one("a"):
        pass


async def test_waiting_requests_count_as_work(stack: Stack, mine: Things, theirs: Things) -> None:
    """One waits for a turn that no worker ends within its time; the next of the same tenant is told to come back."""
    async with api_beside(stack, tenant_requests=1) as client:
        await client.get("/v1/auth/me", headers=mine.customer.headers)
        conversation = (await client.post("/v1/conversations", json={}, headers=mine.customer.headers)).json()["id"]
        body = {"content": "What does a replacement card cost?", "client_message_id": str(uuid4())}
        waiting = asyncio.create_task(
            client.post(f"/v1/conversations/{conversation}/messages?wait=20", json=body, headers=mine.customer.headers)
        )
        refused = None
        while not waiting.done():
            answer = await client.get("/v1/auth/me", headers=mine.customer.headers)
            assert (await client.get("/v1/auth/me", headers=theirs.customer.headers)).status_code == 200
            if answer.status_code == 429:
                refused = answer
        assert refused is not None
        assert_problem(refused, 429, code="rate_limited")
        assert int(refused.headers["retry-after"]) == 1
        assert (await waiting).status_code == 200
        assert (await client.get("/v1/auth/me", headers=mine.customer.headers)).status_code == 200


async def test_a_conversation_is_queued_under_its_tenant(stack: Stack, mine: Things, tenant_id: Any) -> None:
    client = await Client.connect(stack.servers.temporal_address, namespace=stack.servers.temporal_namespace)
    workflow = client.get_workflow_handle(conversation_workflow_id(tenant_id, mine.customer.conversation))  # type: ignore[arg-type]
    started = (await workflow.fetch_history()).events[0].workflow_execution_started_event_attributes
    assert started.priority.fairness_key == str(tenant_id)
