"""Transactions of two tenants in each other's way on few connections, some of them cancelled anywhere."""

from __future__ import annotations

import asyncio
import random
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from helios.database import Database

SEEN = text("SELECT DISTINCT tenant_id FROM (SELECT tenant_id FROM audits UNION ALL SELECT tenant_id FROM users) AS t")


async def interleave(database: Database, first: UUID, second: UUID, transactions: int) -> None:
    """Fails where one sees a row of the other, or a transaction without a tenant any row at all."""
    seen: list[tuple[UUID, UUID]] = []
    strays: list[UUID] = []
    chance = random.Random(20_261_122)

    async def one(mine: UUID, pause: float) -> None:
        async with database.tenant(mine) as connection:
            for _ in range(2):
                seen.extend((mine, row[0]) for row in await connection.execute(SEEN))
                await connection.execute(text("SELECT pg_sleep(:pause)"), {"pause": pause})

    async def nobody() -> None:
        async with database.platform() as connection:
            strays.extend(row[0] for row in await connection.execute(SEEN))

    tasks: list[asyncio.Task[None]] = []
    for number in range(transactions):
        mine = (first, second)[number % 2]
        tasks.append(asyncio.create_task(nobody() if number % 7 == 0 else one(mine, chance.random() / 400)))
        if chance.random() < 0.3:
            asyncio.get_running_loop().call_later(chance.random() * transactions / 400, tasks[-1].cancel)
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    failures = [each for each in ended if isinstance(each, Exception)]
    assert all(isinstance(each, SQLAlchemyError) for each in failures), failures[:3]
    assert sum(each is None for each in ended) > transactions / 4
    assert any(isinstance(each, asyncio.CancelledError) for each in ended)
    assert {mine for mine, _ in seen} == {first, second}
    assert [pair for pair in seen if pair[0] != pair[1]] == []
    assert strays == []
