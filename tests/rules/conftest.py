"""A tenant of its own for each test of rules: what it publishes is nobody else's business."""

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
from tests.neighbour import make_neighbour


@dataclass(frozen=True, slots=True)
class Bank:
    """`admin` writes rules and `compliance_officer` may publish them."""

    api: Api
    tenant_id: UUID

    async def draft(self, by: str = "admin", *, kind: str = "policies", **body: Any) -> httpx.Response:
        return await self.api.http.post(f"/v1/{kind}", json=body, headers=await self.api.staff(by))

    async def decide(
        self, version: int, action: str, by: str = "compliance_officer", *, kind: str = "policies", **body: Any
    ) -> httpx.Response:
        path = f"/v1/{kind}/{version}/{action}"
        return await self.api.http.post(path, json=body or None, headers=await self.api.staff(by))

    async def get(self, path: str, by: str = "admin") -> Any:
        answer = await self.api.http.get(path, headers=await self.api.staff(by))
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def publish(self, *, kind: str = "policies", **body: Any) -> int:
        drafted = await self.draft(kind=kind, **body)
        assert drafted.status_code == 201, drafted.text
        version: int = drafted.json()["version"]
        published = await self.decide(version, "publish", kind=kind)
        assert published.status_code == 200, published.text
        return version


@pytest.fixture
async def bank(stack: Stack, database: Database, keyring: Keyring) -> AsyncIterator[Bank]:
    made = await make_neighbour(database, keyring.root, ("admin", "compliance_officer", "agent"))
    async with made.api(stack.servers.api_url) as api:
        yield Bank(api, made.tenant_id)
