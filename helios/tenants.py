"""Tenants: made whole in one transaction, and looked up by everything that must know whether one is open.

A process keeps what it read for `FRESH_S`; then it asks for the version alone, and reads the rest again where that has
changed. So a suspension or a setting holds everywhere within that time, and with Valkey away as well.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios import audit
from helios.audit import ActorType
from helios.crypto import RootKey
from helios.database import Database
from helios.ids import new_id
from helios.tenant_settings import TenantSettings
from schema.tables import IntentSet, Policy, RedactionRule, Tenant, TenantKey, TenantSettingsVersion

FRESH_S = 2.0
KEPT_MOST = 10_000

STATE = text("SELECT name, settings_version, suspended_at, deleted_at FROM tenants WHERE id = :id")
WHOLE = text("SELECT slug, name, settings, settings_version, suspended_at, deleted_at FROM tenants WHERE id = :id")
SLUG = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"


@dataclass(frozen=True, slots=True)
class TenantState:
    """A tenant as of a moment ago."""

    slug: str
    name: str
    settings: TenantSettings
    version: int
    suspended: bool
    deleted: bool

    @property
    def open(self) -> bool:
        return not (self.suspended or self.deleted)


class Tenants:
    """The tenants that this process has to do with."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[UUID, tuple[float, TenantState]] = {}

    async def get(self, tenant_id: UUID) -> TenantState | None:
        """At most `FRESH_S` old. None where there is no such tenant."""
        read_at, known = self._known.get(tenant_id, (0.0, None))
        if known is not None and time.monotonic() - read_at < FRESH_S:
            return known
        if known is not None:
            # One asks; whoever comes meanwhile goes on with what is known.
            self._known[tenant_id] = (time.monotonic(), known)
        try:
            async with self._database.tenant(tenant_id) as connection:
                found = await self._read(connection, tenant_id, known)
        except BaseException:
            self.forget(tenant_id)
            raise
        if found is None:
            self.forget(tenant_id)
            return None
        if len(self._known) >= KEPT_MOST:
            self._known.pop(next(iter(self._known)))
        self._known[tenant_id] = (time.monotonic(), found)
        return found

    def forget(self, tenant_id: UUID) -> None:
        """Read again at the next question: for the process that changed it."""
        self._known.pop(tenant_id, None)

    async def _read(
        self, connection: AsyncConnection, tenant_id: UUID, known: TenantState | None
    ) -> TenantState | None:
        if known is not None:
            row = (await connection.execute(STATE, {"id": tenant_id})).one_or_none()
            if row is not None and _same(row, known):
                return known
        row = (await connection.execute(WHOLE, {"id": tenant_id})).one_or_none()
        if row is None:
            return None
        return TenantState(
            row.slug,
            row.name,
            TenantSettings.of(row.settings),
            row.settings_version,
            row.suspended_at is not None,
            row.deleted_at is not None,
        )


def _same(row: Any, known: TenantState) -> bool:
    suspended, deleted = row.suspended_at is not None, row.deleted_at is not None
    now = (row.name, row.settings_version, suspended, deleted)
    return now == (known.name, known.version, known.suspended, known.deleted)


async def create(
    connection: AsyncConnection,
    root: RootKey,
    *,
    tenant_id: UUID,
    slug: str,
    name: str,
    settings: TenantSettings,
    actor: tuple[ActorType, UUID | None],
) -> None:
    """The tenant with its key, its settings and the rules that ship with the product.

    `connection` is a transaction of that tenant. Raises `IntegrityError` where the slug is taken.
    """
    stored = settings.stored()
    await connection.execute(insert(Tenant).values(id=tenant_id, slug=slug, name=name, settings=stored))
    wrapped = root.new_tenant_key(tenant_id, 1)
    await connection.execute(insert(TenantKey).values(tenant_id=tenant_id, version=1, wrapped_key=wrapped))
    await connection.execute(
        insert(TenantSettingsVersion).values(
            tenant_id=tenant_id, id=new_id(), version=1, settings=stored, changed_by=actor[1]
        )
    )
    common = {"tenant_id": tenant_id, "version": 1, "status": "published", "published_at": datetime.now(UTC)}
    for table in (Policy, RedactionRule, IntentSet):
        await connection.execute(insert(table).values(**common, id=new_id(), note="As the product ships it"))
    await audit.record(connection, tenant_id, "tenant.created", actor=actor, subject=("tenant", tenant_id))
