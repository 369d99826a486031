"""A tenant of its own for each test: what is changed in it is nobody else's business."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest

from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.keyring import Keyring
from tests.caller import Api
from tests.neighbour import Neighbour, make_neighbour

ROLES = ("admin", "supervisor", "agent", "auditor", "compliance_officer")


@dataclass(frozen=True, slots=True)
class Bank:
    """A tenant with one person of each role."""

    tenant: Neighbour
    api: Api

    @property
    def id(self) -> UUID:
        return self.tenant.tenant_id

    def user(self, role: str) -> str:
        return str(self.tenant.users[role])

    async def ask(self, method: str, path: str, role: str = "admin", **request: Any) -> httpx.Response:
        """As somebody of that role."""
        headers = {**await self.api.staff(role), **request.pop("headers", {})}
        return await self.api.http.request(method, path, headers=headers, **request)

    async def events(self, action: str, **where: str) -> list[dict[str, Any]]:
        answer = await self.ask("GET", "/v1/audit/events", "auditor", params={"action": action, "limit": 200, **where})
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items


@pytest.fixture
async def bank(stack: Stack, database: Database, keyring: Keyring) -> AsyncIterator[Bank]:
    made = await make_neighbour(database, keyring.root, ROLES)
    async with made.api(stack.servers.api_url) as api:
        yield Bank(made, api)
