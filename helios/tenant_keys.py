"""A new version of a tenant's key, without a failed request: every process knows it before anyone seals with it.

A version seals from `SEALS_AFTER_S` on; processes read a tenant's keys again twice in that time. Then the customers'
keys are wrapped anew. What an older version sealed itself stays readable with it.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios import audit
from helios.crypto import RootKey, TenantKeys
from helios.customer_keys import WRAPPED
from helios.database import Database

SEALS_AFTER_S = 60
BATCH = 500

READ = text(
    "SELECT version, wrapped_key, created_at <= now() - make_interval(secs => :after_s) AS seals FROM tenant_keys "
    "WHERE tenant_id = :tenant_id ORDER BY version"
)
NEWEST = text("SELECT max(version) FROM tenant_keys WHERE tenant_id = :tenant_id")
ADD = text(
    "INSERT INTO tenant_keys (tenant_id, version, wrapped_key) VALUES (:tenant_id, :version, :wrapped_key) "
    "ON CONFLICT DO NOTHING RETURNING version"
)
OLDER = text(
    "SELECT id, customer_id, kind, wrapped_key FROM customer_keys WHERE tenant_id = :tenant_id "
    "AND tenant_key_version < :version AND wrapped_key IS NOT NULL ORDER BY id LIMIT :most FOR UPDATE"
)
REWRAP = text(
    "UPDATE customer_keys SET wrapped_key = :wrapped_key, tenant_key_version = :version "
    "WHERE tenant_id = :tenant_id AND id = :id"
)


async def read_keys(connection: AsyncConnection, root: RootKey, tenant_id: UUID) -> TenantKeys:
    """Every version opens; the newest that all processes know seals. Raises `CryptoError` where there is none."""
    found = (await connection.execute(READ, {"tenant_id": tenant_id, "after_s": SEALS_AFTER_S})).all()
    keys = {row.version: root.unwrap(row.wrapped_key, tenant_id, row.version) for row in found}
    # A tenant's first one seals from the beginning.
    seals = max((row.version for row in found if row.seals), default=min(keys, default=None))
    return TenantKeys(tenant_id, keys, seals)


async def rotate(database: Database, root: RootKey, tenant_id: UUID) -> int:
    """Adds a version, which seals a minute from now. Its number; of two at once the second adds none."""
    async with database.tenant(tenant_id) as connection:
        version = (await connection.execute(NEWEST, {"tenant_id": tenant_id})).scalar_one() + 1
        wrapped = root.new_tenant_key(tenant_id, version)
        new = {"tenant_id": tenant_id, "version": version, "wrapped_key": wrapped}
        if (await connection.execute(ADD, new)).scalar_one_or_none() is not None:
            await audit.record(
                connection, tenant_id, "tenant_key.rotated", actor=("ops", None), subject=("tenant", tenant_id),
                detail={"version": version},
            )  # fmt: skip
    return int(version)


async def rewrap(database: Database, root: RootKey, tenant_id: UUID) -> int:
    """Wraps customers' keys with the version that seals now. How many there were; started again it goes on."""
    done = 0
    while True:
        async with database.tenant(tenant_id) as connection:
            tenant = await read_keys(connection, root, tenant_id)
            where = {"tenant_id": tenant_id, "version": tenant.version, "most": BATCH}
            older = (await connection.execute(OLDER, where)).all()
            for row in older:
                place = f"{row.customer_id}|{row.kind}"
                again = tenant.seal(tenant.open(row.wrapped_key, WRAPPED, place), WRAPPED, place)
                await connection.execute(REWRAP, {**where, "id": row.id, "wrapped_key": again})
            if older:
                await audit.record(
                    connection, tenant_id, "customer_keys.rewrapped", actor=("ops", None),
                    subject=("tenant", tenant_id), detail={"version": tenant.version, "count": len(older)},
                )  # fmt: skip
        done += len(older)
        if len(older) < BATCH:
            return done
