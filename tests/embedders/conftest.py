"""A bank of the tests' own, which changes its embedder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import pytest

from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.keyring import Keyring
from tests.caller import Api
from tests.embedders.embedding_server import EmbeddingServer
from tests.neighbour import Neighbour, make_neighbour

WITHIN_S = 90
CHANGES = "/v1/knowledge/embedder-changes"


@pytest.fixture(autouse=True)
def well_again(lab: EmbeddingServer) -> None:
    lab.behave()


@pytest.fixture
async def admin(stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    """Sees every tenant's rows."""
    connection = await asyncpg.connect(stack.servers.admin_dsn)
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def bank(database: Database, keyring: Keyring) -> Neighbour:
    return await make_neighbour(
        database, keyring.root, ("admin", "agent", "knowledge_editor", "knowledge_approver", "auditor")
    )


@pytest.fixture(scope="module")
async def own(stack: Stack, bank: Neighbour) -> AsyncIterator[Api]:
    async with bank.api(stack.servers.api_url) as client:
        yield client


async def ask_for(api: Api, embedder: str) -> dict[str, Any]:
    """Asks for a change, which runs."""
    answer = await api.http.post(CHANGES, json={"embedder": embedder}, headers=await api.staff("admin"))
    assert answer.status_code == 202, answer.text
    change: dict[str, Any] = answer.json()
    return change


async def until(api: Api, change: dict[str, Any], holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    async with asyncio.timeout(WITHIN_S):
        while not holds(found := await read(api, change)):
            await asyncio.sleep(0.1)
    return found


async def read(api: Api, change: dict[str, Any]) -> dict[str, Any]:
    answer = await api.http.get(f"{CHANGES}/{change['id']}", headers=await api.staff("admin"))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def change_to(api: Api, embedder: str) -> dict[str, Any]:
    """A change that has switched."""
    return await until(api, await ask_for(api, embedder), lambda found: found["status"] == "in_force")


async def state(api: Api) -> dict[str, Any]:
    answer = await api.http.get("/v1/knowledge/embedder", headers=await api.staff("admin"))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found
