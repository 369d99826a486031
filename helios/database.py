"""PostgreSQL: one engine a process, and transactions that see exactly one tenant."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from functools import partial
from types import TracebackType
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

GOODBYE_WITHIN_S = 0.1
# Without iterative scans a tenant's filter can leave an approximate search with no row at all.
SERVER_SETTINGS = {"jit": "off", "hnsw.iterative_scan": "strict_order"}
BEHIND_A_POOLER = {
    # A statement prepared in one transaction may not be there in the next, so none gets a name.
    "statement_cache_size": 0,
    "prepared_statement_cache_size": 0,
    "prepared_statement_name_func": str,
}


class Connection(asyncpg.Connection):  # type: ignore[misc]
    """Leaves a server that does not answer: SQLAlchemy would wait 2 s for its goodbye, and the caller with it."""

    __slots__ = ()

    async def close(self, *, timeout: float | None = None) -> None:
        await super().close(timeout=min(timeout or GOODBYE_WITHIN_S, GOODBYE_WITHIN_S))


class PooledConnection(Connection):
    """Has PgBouncer between itself and the server, which may be another one with each transaction."""

    __slots__ = ()

    async def set_type_codec(self, typename: str, **how: Any) -> None:
        """What it asks the server takes several round trips: they must reach the same one."""
        async with self.transaction():
            await super().set_type_codec(typename, **how)


class Shares:
    """One tenant holds at most three quarters of a pool: its own next transaction waits, and nobody else's."""

    def __init__(self, connections: int) -> None:
        self._most = connections - max(1, connections // 4)
        self._by_tenant: WeakValueDictionary[UUID, asyncio.Semaphore] = WeakValueDictionary()

    def of(self, tenant_id: UUID) -> asyncio.Semaphore:
        share = self._by_tenant.get(tenant_id)
        if share is None:
            share = self._by_tenant[tenant_id] = asyncio.Semaphore(max(1, self._most))
        return share


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
        pooled: bool = False,
    ) -> None:
        """`begin_within_s`: the longest from wanting a transaction to having it; unset, the limits of its parts.
        `pooled`: the address is that of a PgBouncer in transaction mode."""
        self.dsn, self.pooled = dsn, pooled
        self._begin_within_s = begin_within_s
        # Our own settings need no quoting; they end with the transaction, as the tenant does.
        set_again = "".join(f"; SELECT set_config('{name}', '{to}', true)" for name, to in SERVER_SETTINGS.items())
        self._settings = set_again if pooled else ""
        self._shares = Shares(pool_size + max_overflow)
        self.engine: AsyncEngine = create_async_engine(
            sqlalchemy_url(dsn),
            isolation_level="AUTOCOMMIT",  # we begin and end transactions ourselves
            pool_size=pool_size,
            max_overflow=max_overflow,
            pool_timeout=pool_timeout_s,
            pool_recycle=1800,
            connect_args={
                "timeout": 2.5,
                "connection_class": PooledConnection if pooled else Connection,
                "command_timeout": statement_timeout_s,
                **(BEHIND_A_POOLER if pooled else {"server_settings": SERVER_SETTINGS}),
            },
        )

    @asynccontextmanager
    async def tenant(self, tenant_id: UUID, *, snapshot: bool | str = False) -> AsyncIterator[AsyncConnection]:
        """One transaction in which only this tenant's rows exist. Commits at the end, rolls back on an error.

        `snapshot`: read only, and every statement sees the database as the first one did; or as another transaction
        does, whose `pg_export_snapshot()` it names.
        """
        mode = " ISOLATION LEVEL REPEATABLE READ READ ONLY" if snapshot else ""
        if isinstance(snapshot, str):
            mode += f"; SET TRANSACTION SNAPSHOT '{snapshot}'"
        # Hexadecimal digits need no quoting; with a parameter it would take a second round trip.
        begin = f"BEGIN{mode}; SELECT set_config('app.tenant_id', '{tenant_id.hex}', true)"
        async with self._transaction(begin, self._shares.of(tenant_id)) as connection:
            yield connection

    @asynccontextmanager
    async def platform(self) -> AsyncIterator[AsyncConnection]:
        """One transaction with no tenant: sees the tables without row-level security, and no row of any other."""
        async with self._transaction("BEGIN", nullcontext()) as connection:
            yield connection

    @asynccontextmanager
    async def _transaction(
        self, begin: str, share: AbstractAsyncContextManager[None]
    ) -> AsyncIterator[AsyncConnection]:
        async with AsyncExitStack() as opened:
            async with asyncio.timeout(self._begin_within_s):
                await opened.enter_async_context(share)
                connection = await self._connect(opened)
                driver = await _driver(connection)
                opened.push_async_exit(partial(_end, driver))
                await driver.execute(f"{begin}{self._settings}")
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
