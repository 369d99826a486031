"""What editors and reviewers do, for tests: hand in, wait for the ingestion, approve."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import httpx

from tests.caller import Api

SOURCES = "/v1/knowledge/sources"
WITHIN_S = 60


async def submit(api: Api, text: str, *, by: str = "knowledge_editor", **fields: Any) -> dict[str, Any]:
    """Hands in a text, under a title of its own unless one is given. Returns the version."""
    body = {"title": f"Test article {uuid4().hex[:12]}", "text": text, **fields}
    answer = await api.http.post(SOURCES, json=body, headers=await api.staff(by))
    assert answer.status_code == 202, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def ingested(api: Api, version: dict[str, Any], *, by: str = "knowledge_editor") -> dict[str, Any]:
    """The version as soon as it is ingested, or has failed."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            read = await api.http.get(path(version), headers=await api.staff(by))
            found: dict[str, Any] = read.json()
            if found["status"] != "ingesting":
                return found
            await asyncio.sleep(0.2)


async def decide(
    api: Api, version: dict[str, Any], action: str, *, by: str = "knowledge_approver", **body: Any
) -> httpx.Response:
    return await api.http.post(f"{path(version)}/{action}", json=body, headers=await api.staff(by))


async def publish(api: Api, text: str, **fields: Any) -> dict[str, Any]:
    """A version that was handed in, ingested and approved."""
    version = await ingested(api, await submit(api, text, **fields))
    assert version["status"] == "pending_review", version
    approved = await decide(api, version, "approve")
    assert approved.status_code == 200, approved.text
    found: dict[str, Any] = approved.json()
    return found


async def search(api: Api, query: str, *, headers: dict[str, str], **body: Any) -> list[dict[str, Any]]:
    answer = await api.http.post("/v1/knowledge/search", json={"query": query, **body}, headers=headers)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["passages"]
    return found


def path(version: dict[str, Any]) -> str:
    return f"{SOURCES}/{version['source_id']}/versions/{version['version']}"
