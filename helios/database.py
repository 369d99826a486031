"""PostgreSQL: one engine a process, and transactions that see exactly one tenant."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from types import TracebackType
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

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
            isolation_level="AUTOCOMMIT",  # we begin and end transactions ourselves
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
    async def tenant(self, tenant_id: UUID, *, snapshot: bool = False) -> AsyncIterator[AsyncConnection]:
        """One transaction in which only this tenant's rows exist. Commits at the end, rolls back on an error.

        `snapshot`: read only, and every statement sees the database as the first one did.
        """
        mode = " ISOLATION LEVEL REPEATABLE READ READ ONLY" if snapshot else ""
        # Hexadecimal digits need no quoting; with a parameter it would take a second round trip.
        begin = f"BEGIN{mode}; SELECT set_config('app.tenant_id', '{tenant_id.hex}', true)"
        async with self._transaction(begin) as connection:
            yield connection

    @asynccontextmanager
    async def platform(self) -> AsyncIterator[AsyncConnection]:
        """One transaction with no tenant: sees the tables without row-level security, and no row of any other."""
        async with self._transaction("BEGIN") as connection:
            yield connection

    @asynccontextmanager
    async def _transaction(self, begin: str) -> AsyncIterator[AsyncConnection]:
        async with AsyncExitStack() as opened:
            async with asyncio.timeout(self._begin_within_s):
                connection = await self._connect(opened)
                driver = await _driver(connection)
                opened.push_async_exit(partial(_end, driver))
                await driver.execute(begin)
            yield connection

    async def _connect(self, opened: AsyncExitStack) -> AsyncConnection:
        """A connection that is not known to be dead: a server that was restarted leaves a pool full of those."""
        while True:
            connection = await opened.enter_async_context(self.engine.connect())
            if not (await _driver(connection)).is_closed():
                return connection
            await connection.invalidate()
            await connection.close()

    async def close(self) -> None:
        await self.engine.dispose()


async def _driver(connection: AsyncConnection) -> asyncpg.Connection:
    raw = await connection.get_raw_connection()
    assert isinstance(raw.driver_connection, asyncpg.Connection)
    return raw.driver_connection


async def _end(
    driver: asyncpg.Connection, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
) -> None:
    """Commits, or rolls back after an error. A connection in an unknown state never goes back to the pool alive."""
    try:
        if kind is None:
            await driver.execute("COMMIT")
        elif issubclass(kind, (TimeoutError, asyncio.CancelledError)):
            # A server that did not answer would not answer the rollback either, and the caller would wait twice.
            driver.terminate()
        elif not driver.is_closed():
            await driver.execute("ROLLBACK")
    except BaseException:
        driver.terminate()
        if kind is None:
            raise


def sqlalchemy_url(dsn: str) -> str:
    """`postgresql://…` as everybody writes it, with the driver that we use."""
    if not dsn:
        raise ValueError("HELIOS_POSTGRES_DSN is not set: start the stack with `make up`, or point it at a server")
    return dsn.replace("postgresql://", "postgresql+asyncpg://", 1)
