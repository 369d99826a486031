"""Keys in memory: a tenant's for half a minute, so that a new version is known before it seals; a customer's for a
whole one."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from helios.crypto import CryptoError, Keys, RootKey, TenantKeys, UnknownKeyVersion
from helios.customer_keys import CustomerKeys, customer_keys
from helios.database import Database
from helios.tenant_keys import SEALS_AFTER_S, read_keys
from schema.steps import parts_of_workflow

TENANT_KEPT_S = SEALS_AFTER_S / 2
CUSTOMER_KEPT_S = 60.0
"""The longest that a process still holds a key that was destroyed. What it writes with it nobody will read."""
KEPT_MOST = 20_000
AWAY = (OSError, DBAPIError, PoolTimeout, asyncpg.PostgresError, asyncpg.InterfaceError)

CUSTOMER_OF = {
    "conversation": text("SELECT customer_id FROM threads WHERE tenant_id = :tenant_id AND id = :id"),
    "escalation": text(
        "SELECT threads.customer_id FROM escalations JOIN threads ON threads.tenant_id = escalations.tenant_id "
        "AND threads.id = escalations.conversation_id WHERE escalations.tenant_id = :tenant_id AND escalations.id = :id"
    ),
    "ticket": text(
        "SELECT threads.customer_id FROM tickets JOIN threads ON threads.tenant_id = tickets.tenant_id "
        "AND threads.id = tickets.conversation_id WHERE tickets.tenant_id = :tenant_id AND tickets.id = :id"
    ),
}


class Keyring:
    def __init__(self, root: RootKey, database: Database) -> None:
        self.root = root
        self._database = database
        self._tenants: dict[UUID, tuple[float, TenantKeys]] = {}
        self._customers: dict[tuple[UUID, UUID], tuple[float, CustomerKeys]] = {}
        self._owners: dict[tuple[UUID, str, UUID], UUID] = {}

    async def tenant(self, tenant_id: UUID) -> TenantKeys:
        """Raises `CryptoError` for a tenant without keys."""
        kept = self._tenants.get(tenant_id)
        if kept is not None and kept[0] > time.monotonic():
            return kept[1]
        try:
            return await self.reload(tenant_id)
        except AWAY:
            # Whoever has the key goes on with it: what needs the database waits for it by itself.
            if kept is None:
                raise
            return kept[1]

    async def reload(self, tenant_id: UUID) -> TenantKeys:
        async with self._database.tenant(tenant_id) as connection:
            keys = await read_keys(connection, self.root, tenant_id)
        self._tenants[tenant_id] = (time.monotonic() + TENANT_KEPT_S, keys)
        return keys

    async def customer(self, tenant_id: UUID, customer_id: UUID) -> CustomerKeys:
        """The customer's ops key. One that was destroyed seals nothing and opens only what is older than it."""
        kept = self._customers.get((tenant_id, customer_id))
        if kept is not None and kept[0] > time.monotonic():
            return kept[1]
        try:
            return await self._read_customer(await self.tenant(tenant_id), customer_id)
        except UnknownKeyVersion:
            return await self._read_customer(await self.reload(tenant_id), customer_id)
        except AWAY:
            if kept is None:
                raise
            return kept[1]

    async def customers(self, tenant_id: UUID, customer_ids: Iterable[UUID]) -> dict[UUID, CustomerKeys]:
        return {each: await self.customer(tenant_id, each) for each in set(customer_ids)}

    async def conversation(self, tenant_id: UUID, conversation_id: UUID) -> Keys:
        """The ops key of the conversation's customer; the tenant's key where there is no such conversation."""
        return await self._owner(tenant_id, "conversation", conversation_id)

    async def escalation(self, tenant_id: UUID, escalation_id: UUID) -> Keys:
        return await self._owner(tenant_id, "escalation", escalation_id)

    async def ticket(self, tenant_id: UUID, ticket_id: UUID) -> Keys:
        return await self._owner(tenant_id, "ticket", ticket_id)

    async def workflow(self, workflow_id: str) -> Keys:
        """What seals a workflow's payloads: its customer's ops key, and the tenant's where it is of no customer."""
        tenant_id, kind, subject = parts_of_workflow(workflow_id)
        if kind not in CUSTOMER_OF:
            return await self.tenant(tenant_id)
        return await self._owner(tenant_id, kind, UUID(subject))

    def forget(self, tenant_id: UUID, customer_id: UUID) -> None:
        """The customer's key was destroyed: this process holds it no longer."""
        self._customers.pop((tenant_id, customer_id), None)

    async def _owner(self, tenant_id: UUID, kind: str, subject: UUID) -> Keys:
        owner = self._owners.get((tenant_id, kind, subject))
        if owner is None:
            async with self._database.tenant(tenant_id) as connection:
                found = await connection.execute(CUSTOMER_OF[kind], {"tenant_id": tenant_id, "id": subject})
                owner = found.scalar_one_or_none()
            if owner is None:
                return await self.tenant(tenant_id)
            _make_room(self._owners)
            self._owners[tenant_id, kind, subject] = owner
        return await self.customer(tenant_id, owner)

    async def _read_customer(self, tenant: TenantKeys, customer_id: UUID) -> CustomerKeys:
        async with self._database.tenant(tenant.tenant_id) as connection:
            keys = await customer_keys(connection, tenant, customer_id)
        _make_room(self._customers)
        self._customers[tenant.tenant_id, customer_id] = (time.monotonic() + CUSTOMER_KEPT_S, keys)
        return keys


def _make_room(kept: dict[Any, Any]) -> None:
    """The oldest goes: a process has to do with few of them at a time."""
    while len(kept) >= KEPT_MOST:
        del kept[next(iter(kept))]


def root_key(encoded: str) -> RootKey:
    """From HELIOS_ROOT_KEY."""
    return RootKey(*map(root_bytes, encoded.split(",")))


def root_bytes(encoded: str) -> bytes:
    """One key of HELIOS_ROOT_KEY."""
    try:
        return base64.b64decode(encoded.strip(), validate=True)
    except binascii.Error:
        raise CryptoError("HELIOS_ROOT_KEY must be the base64 of exactly 32 bytes") from None
