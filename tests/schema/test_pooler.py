"""Through a PgBouncer in transaction mode: nothing of one transaction is left for the next, whoever's it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from api.app import create_app
from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.settings import Settings
from tests.caller import Api
from tests.neighbour import Neighbour
from tests.schema.interleaving import interleave
from tests.schema.pooler import pgbouncer, require_pgbouncer


@pytest.fixture(scope="module")
async def pooled_dsn(stack: Stack) -> AsyncIterator[str]:
    require_pgbouncer()
    async with pgbouncer(stack, connections=2) as dsn:
        yield dsn


async def test_a_thousand_interleaved_transactions_never_see_the_other_tenant(
    pooled_dsn: str, tenant_id: UUID, neighbour: Neighbour
) -> None:
    """Six connections to the pooler share two to the server."""
    database = Database(pooled_dsn, pool_size=6, max_overflow=0, pool_timeout_s=120, pooled=True)
    try:
        await interleave(database, tenant_id, neighbour.tenant_id, transactions=1_000)
    finally:
        await database.close()


async def test_statements_of_many_clients_do_not_meet_on_a_servers_connection(pooled_dsn: str, tenant_id: UUID) -> None:
    """The same and other statements at once, with types that must be asked for first, from clients that come and go."""
    statements = (
        "SELECT count(*) FROM threads WHERE tenant_id = :tenant",
        "SELECT CAST(:tenant AS uuid), '{1,2}'::int[], '{}'::jsonb, ROW(1, 'x')",
        "SELECT settings FROM tenants WHERE id = :tenant",
        "SELECT roles FROM users WHERE tenant_id = :tenant ORDER BY id",
    )

    async def client(number: int) -> None:
        database = Database(pooled_dsn, pool_size=1, max_overflow=0, pooled=True)
        try:
            for turn in range(12):
                async with database.tenant(tenant_id) as connection:
                    for offset in range(3):
                        statement = statements[(number + turn + offset) % len(statements)]
                        assert (await connection.execute(text(statement), {"tenant": tenant_id})).all()
        finally:
            await database.close()

    await asyncio.gather(*(client(number) for number in range(12)))


async def test_the_servers_settings_hold_in_each_transaction_and_end_with_it(pooled_dsn: str, tenant_id: UUID) -> None:
    database = Database(pooled_dsn, pool_size=1, max_overflow=0, pooled=True)
    settings = text(
        "SELECT current_setting('hnsw.iterative_scan', true), current_setting('jit'), "
        "current_setting('app.tenant_id', true), (SELECT count(*) FROM pg_prepared_statements)"
    )
    try:
        for _ in range(6):
            async with database.tenant(tenant_id) as connection:
                found = (await connection.execute(settings)).one()
                assert tuple(found[:2]) == ("strict_order", "off")
                assert UUID(found[2]) == tenant_id
                assert found[3] <= 1, "statements stay behind on the server"
            async with database.platform() as connection:
                assert not (await connection.execute(settings)).one()[2]
    finally:
        await database.close()


async def test_a_conversation_goes_through_it(stack: Stack, pooled_dsn: str, api: Api) -> None:
    """An API process of its own behind the pooler, with the stack's workers beside it."""
    servers = stack.servers
    config = Settings(
        postgres_dsn=pooled_dsn,
        postgres_pooled=True,
        redis_url=servers.redis_url,
        temporal_address=servers.temporal_address,
        root_key=servers.keys.root_key,
        token_key=servers.keys.token_key,
        rate_limits=1_000,
    )
    app = create_app(config)
    async with AsyncExitStack() as opened:
        await opened.enter_async_context(app.router.lifespan_context(app))
        pooled = Api("http://pooled", api.demo)
        await pooled.http.aclose()
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        pooled.http = httpx.AsyncClient(transport=transport, base_url="http://pooled", timeout=75)
        await opened.enter_async_context(pooled)
        customers = [await pooled.customer(f"pooled-{uuid4()}") for _ in range(4)]
        await asyncio.gather(*(each.open() for each in customers))
        answers = await asyncio.gather(*(each.say("What does a replacement card cost?") for each in customers))
        assert [each.json()["outcome"] for each in answers] == ["answered"] * 4
        for each in customers:
            assert [message["role"] for message in await each.messages()] == ["system", "customer", "assistant"]
