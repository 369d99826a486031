"""A conversation that is closed while Temporal is away is closed, and its workflow is told when Temporal is back."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle

from api.app import create_app
from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.keyring import Keyring
from helios.settings import Settings
from helios.temporal import connect
from schema.steps import conversation_workflow_id
from tests.caller import Api, Customer

UNTOLD = text("SELECT close_untold FROM threads WHERE id = :id")


@pytest.fixture
async def without_temporal(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """An API in this process that finds nobody where Temporal should be."""
    servers = stack.servers
    nobody = socket.socket()
    nobody.bind(("127.0.0.1", 0))  # and never listens
    config = Settings(
        postgres_dsn=SecretStr(servers.app_dsn),
        redis_url=SecretStr(servers.redis_url),
        temporal_address=f"127.0.0.1:{nobody.getsockname()[1]}",
        root_key=SecretStr(servers.keys.root_key),
        token_key=SecretStr(servers.keys.token_key),
        postgres_pool_size=2,
    )
    app = create_app(config)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://beside") as client,
    ):
        yield client
    nobody.close()


@pytest.fixture
async def talking(api: Api) -> Customer:
    customer = await (await api.customer()).open()
    assert (await customer.say("How do I block my card?")).status_code == 200
    return customer


async def workflow(stack: Stack, keyring: Keyring, tenant_id: UUID, customer: Customer) -> WorkflowHandle[None, None]:
    client = await connect(Settings(temporal_address=stack.servers.temporal_address), keyring)
    return client.get_workflow_handle(conversation_workflow_id(tenant_id, UUID(customer.conversation)))


async def completed(handle: WorkflowHandle[None, None]) -> None:
    async with asyncio.timeout(30):
        while (await handle.describe()).status is not WorkflowExecutionStatus.COMPLETED:
            await asyncio.sleep(0.2)


async def is_untold(database: Database, tenant_id: UUID, customer: Customer) -> bool:
    async with database.tenant(tenant_id) as connection:
        return bool(await connection.scalar(UNTOLD, {"id": customer.conversation}))


async def test_a_close_without_temporal_is_told_later(
    stack: Stack,
    keyring: Keyring,
    database: Database,
    tenant_id: UUID,
    talking: Customer,
    without_temporal: httpx.AsyncClient,
) -> None:
    handle = await workflow(stack, keyring, tenant_id, talking)
    answer = await without_temporal.post(f"{talking.path}/close", headers=talking.headers)
    assert (answer.status_code, answer.json()["status"]) == (200, "closed")
    assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
    assert (await talking.say("Are you there?")).json()["code"] == "conversation_closed"
    await completed(handle)
    async with asyncio.timeout(10):
        while await is_untold(database, tenant_id, talking):
            await asyncio.sleep(0.1)


async def test_a_close_that_was_heard_is_not_told_again(
    stack: Stack, keyring: Keyring, database: Database, tenant_id: UUID, talking: Customer
) -> None:
    assert (await talking.post("close")).status_code == 200
    await completed(await workflow(stack, keyring, tenant_id, talking))
    assert not await is_untold(database, tenant_id, talking)
