"""Gaps as tests need them: questions that nothing answers, asked by customers of their own, and looked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlalchemy import insert

from helios.database import Database
from helios.ids import new_id
from schema.tables import KnowledgeGap
from tests.caller import Api, Customer

PATH = "/v1/analytics/knowledge-gaps"
WITHIN_S = 60


async def ask(api: Api, *questions: str) -> list[Customer]:
    """Each by another customer."""
    customers = []
    for question in questions:
        customers.append(await (await api.customer()).open(channel="web"))
        answer = await customers[-1].say(question)
        assert (answer.json()["outcome"], answer.json()["reply"]["citations"]) == ("answered", []), answer.text
    return customers


async def read(api: Api, by: str = "analyst", **params: Any) -> dict[str, Any]:
    answer = await api.http.get(PATH, params=params, headers=await api.staff(by))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def look(
    api: Api, until: Callable[[list[dict[str, Any]]], bool], by: str = "knowledge_editor"
) -> list[dict[str, Any]]:
    """Looks for gaps until what is found is as awaited: a run that is on its way may have begun too early."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            started = await api.http.post(f"{PATH}/refresh", headers=await api.staff(by))
            assert started.status_code == 202, started.text
            for _ in range(10):
                gaps = (await read(api, by, limit=50))["items"]
                if until(gaps):
                    return list(gaps)
                await asyncio.sleep(0.2)


async def bare_gap(database: Database, tenant_id: UUID) -> str:
    """The id of one that nobody looked for: no question is in it."""
    gap_id = new_id()
    async with database.tenant(tenant_id) as connection:
        await connection.execute(insert(KnowledgeGap).values(tenant_id=tenant_id, id=gap_id))
    return str(gap_id)
