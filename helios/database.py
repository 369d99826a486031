"""PostgreSQL: one engine a process, and transactions that see exactly one tenant."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

SET_TENANT = text("SELECT set_config('app.tenant_id', :tenant, true)")


class Database:
    """Transactions on the application's role, which row-level security binds."""

    def __init__(
        self,
        dsn: str,
        *,
        pool_size: int = 10,
        max_overflow: int = 4,
        # Longer than the API's promise of a 503 within 3 s would be no use to anybody.
        pool_timeout_s: float = 2.5,
        statement_timeout_s: float = 15.0,
    ) -> None:
        self.engine: AsyncEngine = create_async_engine(
            sqlalchemy_url(dsn),
            pool_size=pool_size,
            max_overflow=max_overflow,
            pool_timeout=pool_timeout_s,
            pool_recycle=1800,
            connect_args={
                "timeout": 2.5,
                "command_timeout": statement_timeout_s,
                # Without iterative scans a tenant's filter can leave an approximate search with no row at all.
                "server_settings": {"jit": "off", "hnsw.iterative_scan": "strict_order"},
            },
        )

    @asynccontextmanager
    async def tenant(self, tenant_id: UUID) -> AsyncIterator[AsyncConnection]:
        """One transaction in which only this tenant's rows exist. Commits at the end, rolls back on an error."""
        async with self.engine.begin() as connection:
            await connection.execute(SET_TENANT, {"tenant": str(tenant_id)})
            yield connection

    @asynccontextmanager
    async def platform(self) -> AsyncIterator[AsyncConnection]:
        """One transaction with no tenant: sees the tables without row-level security, and no row of any other."""
        async with self.engine.begin() as connection:
            yield connection

    async def close(self) -> None:
        await self.engine.dispose()


def sqlalchemy_url(dsn: str) -> str:
    """`postgresql://…` as everybody writes it, with the driver that we use."""
    if not dsn:
        raise ValueError("HELIOS_POSTGRES_DSN is not set: start the stack with `make up`, or point it at a server")
    return dsn.replace("postgresql://", "postgresql+asyncpg://", 1)
