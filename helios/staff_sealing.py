"""Who staff are, written anew: under a newer version of the tenant's key, or for the first time.

`seal_clear` is a step of `helios migrate`, between the migrations that make room for ciphertext and take the clear
columns away. Each batch is a transaction, with its audit event, and what is done shows in the rows: killed at any
moment it goes on when it is started again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios import audit, staff
from helios.crypto import FORMAT, RootKey, TenantKeys
from helios.database import Database
from helios.embedded.errors import StackError
from helios.tenant_keys import read_keys

BATCH: Final = 200
TENANTS = text("SELECT id FROM tenants ORDER BY id")
TABLES: Final = ("users", "invitations")
NEWER = {
    "users": "substr(email_ct, 1, 5) <> :sealed_by OR substr(display_name_ct, 1, 5) <> :sealed_by",
    "invitations": "substr(email_ct, 1, 5) <> :sealed_by",
}
OLDER = {
    table: text(
        f"SELECT * FROM {table} WHERE tenant_id = :tenant_id AND ({which}) "  # noqa: S608 - constants of ours
        "ORDER BY id LIMIT :most FOR UPDATE"
    )
    for table, which in NEWER.items()
}
RESEAL = {
    "users": "email_index = :email_index, email_ct = :email_ct, display_name_ct = :display_name_ct",
    "invitations": "email_index = :email_index, email_ct = :email_ct",
}
CLEAR = {
    table: text(
        f"SELECT * FROM {table} WHERE tenant_id = :tenant_id AND email_index IS NULL "  # noqa: S608 - the same
        "ORDER BY id LIMIT :most FOR UPDATE"
    )
    for table in TABLES
}
FORGET = {"users": ", email = NULL, display_name = NULL", "invitations": ", email = NULL"}
# A fact named the agent who took a case; now it holds the id, and whoever reads it looks the name up.
NAMED = text(
    "SELECT conversation_id, seq, payload FROM conversation_events WHERE tenant_id = :tenant_id "
    "AND type LIKE 'escalation.%' AND payload ? 'agent_display_name' "
    "ORDER BY conversation_id, seq LIMIT :most FOR UPDATE"
)
SEALED_NAMES = text(
    "SELECT id, display_name_ct FROM users WHERE tenant_id = :tenant_id AND display_name_ct IS NOT NULL"
)
NAME_BY_ID = text(
    "UPDATE conversation_events SET payload = (payload - 'agent_display_name') || "
    "jsonb_build_object('agent_id', CAST(:agent_id AS text)) "
    "WHERE tenant_id = :tenant_id AND conversation_id = :conversation_id AND seq = :seq"
)


async def reseal(database: Database, root: RootKey, tenant_id: UUID) -> int:
    """Seals and indexes anew what an older version of the tenant's key sealed. How many rows there were."""
    done = 0
    while True:
        async with database.tenant(tenant_id) as connection:
            keys = await read_keys(connection, root, tenant_id)
            count = sum([await _reseal(connection, keys, table) for table in TABLES])
            if count:
                await _tell(connection, tenant_id, "staff.resealed", {"version": keys.version, "count": count})
        done += count
        if not count:
            return done


async def _reseal(connection: AsyncConnection, keys: TenantKeys, table: str) -> int:
    sealed_by = bytes([FORMAT]) + keys.version.to_bytes(4, "big")
    where = {"tenant_id": keys.tenant_id, "sealed_by": sealed_by, "most": BATCH}
    rows = (await connection.execute(OLDER[table], where)).all()
    for row in rows:
        if table == "users":
            values = staff.sealed(keys, row.id, staff.email_of(keys, row), staff.name_of(keys, row))
        else:
            email = keys.open_text(row.email_ct, staff.INVITED, row.id)
            values = staff.sealed_email(keys, row.id, email, staff.INVITED)
        await _set(connection, table, row, values)
    return len(rows)


async def seal_clear(owner_dsn: str, root: Callable[[], RootKey] | None) -> int:
    """Seals what stands in the clear columns, as the schema's owner, and takes it out of the tables' files. How many
    rows there were; `root` is asked for where there is one. Raises `StackError` where it is needed and not given."""
    owner, done = Database(owner_dsn, pool_size=1), 0
    try:
        async with owner.platform() as connection:
            tenants = list(await connection.scalars(TENANTS))
        for tenant_id in tenants:
            while count := await _seal_batch(owner, root, tenant_id):
                done += count
    finally:
        await owner.close()
    if done:
        await _rewrite(owner_dsn)
    return done


async def _seal_batch(owner: Database, root: Callable[[], RootKey] | None, tenant_id: UUID) -> int:
    where = {"tenant_id": tenant_id, "most": BATCH}
    async with owner.tenant(tenant_id) as connection:
        clear = {table: (await connection.execute(CLEAR[table], where)).all() for table in TABLES}
        named = (await connection.execute(NAMED, where)).all()
        count = sum(map(len, clear.values())) + len(named)
        if not count:
            return 0
        if root is None:
            raise StackError("Names and addresses of staff are to be sealed: this needs HELIOS_ROOT_KEY.")
        keys = await read_keys(connection, root(), tenant_id)
        for row in clear["users"]:
            await _set(connection, "users", row, staff.sealed(keys, row.id, row.email, row.display_name), FORGET)
        for row in clear["invitations"]:
            sealed = staff.sealed_email(keys, row.id, row.email, staff.INVITED)
            await _set(connection, "invitations", row, sealed, FORGET)
        await _name_by_id(connection, keys, named)
        await _tell(connection, tenant_id, "staff.sealed", {"version": keys.version, "count": count})
    return count


async def _name_by_id(connection: AsyncConnection, keys: TenantKeys, facts: Any) -> None:
    """Who has another name today is not found: then the fact names nobody."""
    if not facts:
        return
    people = await connection.execute(SEALED_NAMES, {"tenant_id": keys.tenant_id})
    known = {staff.name_of(keys, row): str(row.id) for row in people}
    for fact in facts:
        agent_id = known.get(fact.payload["agent_display_name"] or "")
        where = {"tenant_id": keys.tenant_id, "conversation_id": fact.conversation_id, "seq": fact.seq}
        await connection.execute(NAME_BY_ID, {**where, "agent_id": agent_id})


async def _set(
    connection: AsyncConnection, table: str, row: Any, values: dict[str, bytes], forget: dict[str, str] | None = None
) -> None:
    also = (forget or {}).get(table, "")
    statement = f"UPDATE {table} SET {RESEAL[table]}{also} WHERE tenant_id = :tenant_id AND id = :id"  # noqa: S608
    await connection.execute(text(statement), {"tenant_id": row.tenant_id, "id": row.id, **values})


async def _tell(connection: AsyncConnection, tenant_id: UUID, action: str, detail: dict[str, int]) -> None:
    await audit.record(
        connection, tenant_id, action, actor=("ops", None), subject=("tenant", tenant_id), detail=detail
    )  # fmt: skip


async def _rewrite(owner_dsn: str) -> None:
    """PostgreSQL keeps old versions of rows in its files; these tables are small."""
    connection = await asyncpg.connect(owner_dsn)
    try:
        for table in TABLES:
            await connection.execute(f"VACUUM FULL {table}")
    finally:
        await connection.close()
