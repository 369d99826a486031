"""PostgreSQL: one engine a process, and transactions that see exactly one tenant."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from types import TracebackType
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

SET_TENANT = text("SELECT set_config('app.tenant_id', :tenant, true)")

GOODBYE_WITHIN_S = 0.1


class Connection(asyncpg.Connection):  # type: ignore[misc]
    """Leaves a server that does not answer: SQLAlchemy would wait 2 s for its goodbye, and the caller with it."""

    __slots__ = ()

    async def close(self, *, timeout: float | None = None) -> None:
        await super().close(timeout=min(timeout or GOODBYE_WITHIN_S, GOODBYE_WITHIN_S))


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
        begin_within_s: float | None = None,
    ) -> None:
        """`begin_within_s`: the longest from wanting a transaction to having it; unset, the limits of its parts."""
        self._begin_within_s = begin_within_s
        self.engine: AsyncEngine = create_async_engine(
            sqlalchemy_url(dsn),
            pool_size=pool_size,
            max_overflow=max_overflow,
            pool_timeout=pool_timeout_s,
            pool_recycle=1800,
            connect_args={
                "timeout": 2.5,
                "connection_class": Connection,
                "command_timeout": statement_timeout_s,
                # Without iterative scans a tenant's filter can leave an approximate search with no row at all.
                "server_settings": {"jit": "off", "hnsw.iterative_scan": "strict_order"},
            },
        )

    @asynccontextmanager
    async def tenant(self, tenant_id: UUID) -> AsyncIterator[AsyncConnection]:
        """One transaction in which only this tenant's rows exist. Commits at the end, rolls back on an error."""
        async with self._transaction(tenant_id) as connection:
            yield connection

    @asynccontextmanager
    async def platform(self) -> AsyncIterator[AsyncConnection]:
        """One transaction with no tenant: sees the tables without row-level security, and no row of any other."""
        async with self._transaction(None) as connection:
            yield connection

    @asynccontextmanager
    async def _transaction(self, tenant_id: UUID | None) -> AsyncIterator[AsyncConnection]:
        async with AsyncExitStack() as opened:
            async with asyncio.timeout(self._begin_within_s):
                connection = await opened.enter_async_context(self.engine.connect())
                opened.push_async_exit(partial(_drop_if_hung, connection))
                if tenant_id is not None:
                    await connection.execute(SET_TENANT, {"tenant": str(tenant_id)})
            yield connection
            await connection.commit()

    async def close(self) -> None:
        await self.engine.dispose()


async def _drop_if_hung(
    connection: AsyncConnection, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
) -> None:
    """A server that does not answer would not answer the rollback either, and the caller would wait twice."""
    if kind is not None and issubclass(kind, (TimeoutError, asyncio.CancelledError)) and not connection.invalidated:
        raw = await connection.get_raw_connection()
        if raw.driver_connection is not None:
            raw.driver_connection.terminate()


def sqlalchemy_url(dsn: str) -> str:
    """`postgresql://…` as everybody writes it, with the driver that we use."""
    if not dsn:
        raise ValueError("HELIOS_POSTGRES_DSN is not set: start the stack with `make up`, or point it at a server")
    return dsn.replace("postgresql://", "postgresql+asyncpg://", 1)
