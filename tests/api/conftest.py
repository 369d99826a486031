"""Callers of every kind, and a count of what is stored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest
from redis.asyncio import Redis

from helios import frames
from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.keyring import Keyring
from tests.api.problems import Rows
from tests.caller import Api, Customer
from tests.knowledge_editing import ingested, submit
from tests.neighbour import make_neighbour


@pytest.fixture(scope="session")
async def rows(stack: Stack) -> AsyncIterator[Rows]:
    connection = await asyncpg.connect(stack.servers.admin_dsn)
    yield Rows(connection)
    await connection.close()


@pytest.fixture
async def bank(stack: Stack, database: Database, keyring: Keyring) -> AsyncIterator[Api]:
    """A tenant of its own for each test: locks and sessions are nobody else's business."""
    made = await make_neighbour(database, keyring.root)
    async with made.api(stack.servers.api_url) as api:
        yield api


@pytest.fixture(scope="session")
async def valkey(stack: Stack) -> AsyncIterator[Redis]:
    connection = frames.connect(stack.servers.redis_url)
    yield connection
    await connection.aclose()


@pytest.fixture(scope="session")
async def admin(stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    """The superuser's connection: it reads all tenants, and turns clocks back."""
    connection = await asyncpg.connect(stack.servers.admin_dsn)
    yield connection
    await connection.close()


@dataclass(frozen=True, slots=True)
class Things:
    """What a tenant has, by the name that paths give its id."""

    customer: Customer
    supervisor: dict[str, str]
    """Headers of a supervisor of the same tenant (of its admin, where it has none)."""
    admin: dict[str, str]
    ids: dict[str, str]


async def make_things(api: Api) -> Things:
    """A conversation with an escalation, a supervisor's session, and an article that waits for review, all at rest."""
    customer = await (await api.customer()).open()
    answer = await customer.say("I want to talk to a human being, please.")
    assert answer.json()["outcome"] == "escalated", answer.text
    escalation_id = (await customer.get()).json()["escalation_id"]
    supervisor = await api.staff("supervisor" if "supervisor" in api.demo["users"] else "admin")
    sessions = (await api.http.get("/v1/auth/sessions", headers=supervisor)).json()["items"]
    article = await submit(api, "The account has no monthly fee.", by="admin")
    assert (await ingested(api, article, by="admin"))["status"] == "pending_review"
    ids = {"conversation_id": customer.conversation, "escalation_id": escalation_id, "session_id": sessions[0]["id"]}
    ids |= {"source_id": article["source_id"], "number": str(article["version"])}
    return Things(customer, supervisor, await api.staff("admin"), ids)


@pytest.fixture(scope="session")
async def mine(api: Api) -> Things:
    return await make_things(api)


@pytest.fixture(scope="session")
async def theirs(next_door: Api) -> Things:
    return await make_things(next_door)


@pytest.fixture(scope="session")
async def stranger(api: Api) -> Customer:
    """Another customer of the same tenant, who has nothing."""
    return await api.customer()


@pytest.fixture
async def nothing_stored(rows: Rows, mine: Things, theirs: Things, stranger: Customer) -> AsyncIterator[None]:
    """Fails the test that leaves, or takes away, a row in any table. Whatever it needs is made before."""
    before = await rows.count()
    yield
    assert await rows.count() == before
