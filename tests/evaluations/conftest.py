"""A bank of its own for each test: what it publishes, and what guards it, is nobody else's business."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.keyring import Keyring
from tests.caller import Api
from tests.knowledge_editing import ingested, submit
from tests.neighbour import Neighbour, make_neighbour

ROLES = ("admin", "compliance_officer", "knowledge_editor", "knowledge_approver", "agent", "analyst")
SUITES, RUNS = "/v1/evaluations/suites", "/v1/evaluations/runs"


@dataclass(frozen=True, slots=True)
class Bank:
    api: Api
    tenant: Neighbour

    async def call(self, method: str, path: str, by: str = "knowledge_editor", **sent: Any) -> httpx.Response:
        return await self.api.http.request(method, path, headers=await self.api.staff(by), **sent)

    async def add(self, document: str, by: str = "admin") -> dict[str, Any]:
        answer = await self.call("POST", SUITES, by, json={"document": document})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def run(self, suite: dict[str, Any], draft: dict[str, Any] | None = None) -> dict[str, Any]:
        """To its end."""
        body = {"suite_id": suite["id"], **({} if draft is None else {"draft": draft})}
        opened = await self.call("POST", RUNS, json=body)
        assert opened.status_code == 202, opened.text
        return await self.ended(opened.json()["id"])

    async def ended(self, run: str) -> dict[str, Any]:
        async with asyncio.timeout(60):
            while (found := (await self.call("GET", f"{RUNS}/{run}")).json())["status"] == "running":
                await asyncio.sleep(0.1)
        return dict(found)

    async def article(self, text: str, **fields: Any) -> dict[str, Any]:
        """A version that waits for its approval."""
        return await ingested(self.api, await submit(self.api, text, **fields))

    async def approve(self, version: dict[str, Any], **body: Any) -> httpx.Response:
        path = f"/v1/knowledge/sources/{version['source_id']}/versions/{version['version']}/approve"
        return await self.call("POST", path, "knowledge_approver", json=body)

    async def events(self, action: str) -> list[dict[str, Any]]:
        answer = await self.call("GET", "/v1/audit/events", "admin", params={"action": action})
        return list(answer.json()["items"])


def drafted(version: dict[str, Any]) -> dict[str, Any]:
    """What a run is told of an article's version."""
    return {"knowledge": [{"source_id": version["source_id"], "version": version["version"]}]}


@pytest.fixture
async def bank(stack: Stack, database: Database, keyring: Keyring) -> AsyncIterator[Bank]:
    made = await make_neighbour(database, keyring.root, ROLES)
    async with made.api(stack.servers.api_url) as api:
        yield Bank(api, made)
