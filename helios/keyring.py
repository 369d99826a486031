"""The tenants' keys in memory, read from the database when first needed and again when a newer version turns up."""

from __future__ import annotations

import base64
import binascii
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from helios.crypto import CryptoError, RootKey, TenantKeys
from helios.database import Database
from schema.tables import TenantKey


class Keyring:
    def __init__(self, root: RootKey, database: Database) -> None:
        self.root = root
        self._database = database
        self._tenants: dict[UUID, TenantKeys] = {}

    async def tenant(self, tenant_id: UUID) -> TenantKeys:
        """Raises `CryptoError` for a tenant without keys."""
        keys = self._tenants.get(tenant_id)
        return keys if keys is not None else await self.reload(tenant_id)

    async def reload(self, tenant_id: UUID) -> TenantKeys:
        async with self._database.tenant(tenant_id) as connection:
            keys = await read_keys(connection, self.root, tenant_id)
        self._tenants[tenant_id] = keys
        return keys


async def read_keys(connection: AsyncConnection, root: RootKey, tenant_id: UUID) -> TenantKeys:
    rows = await connection.execute(
        select(TenantKey.version, TenantKey.wrapped_key).where(TenantKey.tenant_id == tenant_id)  # type: ignore[call-overload]
    )
    return TenantKeys(tenant_id, {version: root.unwrap(wrapped, tenant_id, version) for version, wrapped in rows})


def root_key(encoded: str) -> RootKey:
    """From HELIOS_ROOT_KEY."""
    try:
        return RootKey(base64.b64decode(encoded, validate=True))
    except binascii.Error:
        raise CryptoError("HELIOS_ROOT_KEY must be the base64 of exactly 32 bytes") from None
