"""A new root key while everything runs. Killed at any moment, it goes on when it is started again.

1. Beside the old key there is a new one, which wraps from now on. Every process opens with both.
2. All keys that the old one wrapped are wrapped anew: each tenant's in a transaction of its own, with its audit event.
3. Once nothing under the old key is left, and nothing can be on its way, the old one goes.

Values name the key that wrapped them, so what is left to do stands in the tables. It is the work of the schema's owner:
the application may add keys and change none.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios import audit
from helios.audit_log.keys import PURPOSE as AUDIT
from helios.crypto import ROOT_MARK, RootKey
from helios.database import Database
from helios.embedded.errors import StackError
from helios.token_keys import VERSION as TOKEN_VERSION
from helios.token_keys import tell_every_tenant

ROTATING: Final = "root key"
"""The name of the lock that a rotation holds, and that a backup shares."""
UNDERWAY_S: Final = 1.0
"""The longest from wrapping a key to its row: who wrapped with the old one has stored it by then."""
PURPOSES: Final = {"tenant_keys": "", "audit_keys": AUDIT}
OTHERS: Final = f"substr(wrapped_key, 1, {ROOT_MARK}) <> :mark"
TENANTS = text("SELECT id FROM tenants ORDER BY id")
OLDER = {
    table: text(
        f"SELECT version, wrapped_key FROM {table} "  # noqa: S608 - constants of ours
        f"WHERE tenant_id = :tenant_id AND {OTHERS} ORDER BY version FOR UPDATE"
    )
    for table in PURPOSES
}
REWRAP = {
    table: text(
        f"UPDATE {table} SET wrapped_key = :wrapped_key "  # noqa: S608 - constants of ours
        "WHERE tenant_id = :tenant_id AND version = :version"
    )
    for table in PURPOSES
}
OLDER_TOKENS = text(f"SELECT id, wrapped_key FROM token_keys WHERE {OTHERS} FOR UPDATE")  # noqa: S608 - the same
REWRAP_TOKEN = text("UPDATE token_keys SET wrapped_key = :wrapped_key WHERE id = :id")
CLOSE = text("LOCK TABLE tenant_keys, audit_keys, token_keys IN SHARE ROW EXCLUSIVE MODE")


@asynccontextmanager
async def alone(owner: Database) -> AsyncIterator[None]:
    """Raises `StackError` while somebody else rotates the root key, or a backup copies it."""
    connection = await asyncpg.connect(owner.dsn)
    try:
        if not await connection.fetchval("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", ROTATING):
            raise StackError(
                "Another rotation of the root key, or a backup, is under way: try again once it has ended."
            )
        yield
    finally:
        await connection.close()


async def rewrap_everything(owner: Database, root: RootKey) -> int:
    """Wraps with the newest root key what an older one wrapped. How many keys there were: 0 says that none is left."""
    count = await _rewrap_token_keys(owner, root)
    for tenant_id in await _tenants(owner):
        async with owner.tenant(tenant_id) as connection:
            count += await _rewrap_tenant(connection, root, tenant_id)
    return count


@asynccontextmanager
async def nothing_left(owner: Database, root: RootKey) -> AsyncIterator[bool]:
    """Whether the newest root key wrapped everything; nobody adds a key meanwhile."""
    await asyncio.sleep(UNDERWAY_S)
    tenants = await _tenants(owner)
    async with owner.platform() as connection:
        await connection.execute(CLOSE)
        left = len((await connection.execute(OLDER_TOKENS, {"mark": root.mark})).all())
        for tenant_id in tenants:
            await connection.execute(text("SELECT set_config('app.tenant_id', :id, true)"), {"id": str(tenant_id)})
            for older in OLDER.values():
                left += len((await connection.execute(older, {"tenant_id": tenant_id, "mark": root.mark})).all())
        yield left == 0


async def _tenants(owner: Database) -> list[UUID]:
    """The deleted ones too: their audit logs go on being sealed."""
    async with owner.platform() as connection:
        return list(await connection.scalars(TENANTS))


async def _rewrap_tenant(connection: AsyncConnection, root: RootKey, tenant_id: UUID) -> int:
    count = 0
    for table, purpose in PURPOSES.items():
        where = {"tenant_id": tenant_id, "mark": root.mark}
        for row in (await connection.execute(OLDER[table], where)).all():
            key = root.unwrap(row.wrapped_key, tenant_id, row.version, purpose)
            anew = {**where, "version": row.version, "wrapped_key": root.wrap(key, tenant_id, row.version, purpose)}
            await connection.execute(REWRAP[table], anew)
            count += 1
    if count:
        await audit.record(
            connection, tenant_id, "root_key.rotated", actor=("ops", None), subject=("tenant", tenant_id),
            detail={"root_key": root.mark.hex(), "keys": count},
        )  # fmt: skip
    return count


async def _rewrap_token_keys(owner: Database, root: RootKey) -> int:
    """They are of the whole platform: every tenant's log tells of them."""
    async with owner.platform() as connection:
        rows = (await connection.execute(OLDER_TOKENS, {"mark": root.mark})).all()
        for row in rows:
            key = root.unwrap(row.wrapped_key, row.id, TOKEN_VERSION)
            anew = root.wrap(key, row.id, TOKEN_VERSION)
            await connection.execute(REWRAP_TOKEN, {"id": row.id, "wrapped_key": anew})
        if rows:
            detail = {"root_key": root.mark.hex(), "keys": len(rows)}
            await tell_every_tenant(connection, "token_key.rewrapped", ("token_key", None), detail)
    return len(rows)
