"""The keys that sign access tokens: rotated in the database, known to every process within seconds.

HELIOS_TOKEN_KEY is the first key. `python -m helios keys rotate` adds one, wrapped by the root key. It is published and
accepted at once, and signs ten seconds later, when every process has read it; the key before it stays accepted until
the last token that it signed has ended. So two keys are live after a rotation, and no token is refused because of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from helios import audit
from helios.crypto import CryptoError, RootKey
from helios.database import Database
from helios.ids import new_id
from helios.tokens import CUSTOMER_LIFETIME, SigningKey, Tokens, key_id

log = structlog.get_logger()

LOOK_EVERY_S = 2.0
SIGNS_AFTER = timedelta(seconds=10)
KEPT = SIGNS_AFTER + CUSTOMER_LIFETIME + timedelta(minutes=5)
"""How long the key before a new one stays accepted: customers' tokens last longest."""
VERSION = 1

READ = text("SELECT id, wrapped_key, active_at <= now() AS active, older_until FROM token_keys ORDER BY created_at, id")
ADD = text(
    "INSERT INTO token_keys (id, wrapped_key, active_at, older_until) "
    "VALUES (:id, :wrapped_key, now() + CAST(:signs_after AS interval), now() + CAST(:kept AS interval)) "
    "RETURNING active_at, older_until"
)
TENANTS = text("SELECT id FROM tenants WHERE deleted_at IS NULL")
SET_TENANT = text("SELECT set_config('app.tenant_id', :tenant, true)")


class TokenKeys:
    """Keeps a process's `Tokens` at the keys in the database."""

    def __init__(self, tokens: Tokens, database: Database, root: RootKey) -> None:
        self._tokens, self._database, self._root = tokens, database, root
        self._task: asyncio.Task[None] | None = None

    async def load(self) -> None:
        async with self._database.platform() as connection:
            rows = (await connection.execute(READ)).all()
        keys, until = [], None
        for row in reversed(rows):  # an older key ends with the first of those after it that says so
            private = Ed25519PrivateKey.from_private_bytes(self._root.unwrap(row.wrapped_key, row.id, VERSION))
            keys.append(SigningKey(private, active=row.active, until=until))
            until = row.older_until if until is None else min(until, row.older_until)
        self._tokens.use(list(reversed(keys)), first_until=until)

    async def start(self) -> None:
        """Reads the keys, and again every 2 s; without a database, or before it has its tables, it goes on trying."""
        await self._try()
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self._try()

    async def _try(self) -> None:
        try:
            await self.load()
        except (SQLAlchemyError, OSError, CryptoError) as error:
            log.warning("token keys not read", error=type(error).__name__)


@dataclass(frozen=True, slots=True)
class Rotated:
    """`signs_from`: when the new key begins to sign. `older_until`: when the keys before it end."""

    kid: str
    signs_from: datetime
    older_until: datetime


async def rotate(database: Database, root: RootKey, *, revoke_old: bool = False) -> Rotated:
    """Adds a key, and tells every tenant's audit log of it, in one transaction.

    `revoke_old`: a key has leaked. The new one signs at once and the others end: everybody signs in again.
    """
    key, row_id = Ed25519PrivateKey.generate(), new_id()
    nothing = timedelta()
    new = {
        "id": row_id,
        "wrapped_key": root.wrap(key.private_bytes_raw(), row_id, VERSION),
        "signs_after": nothing if revoke_old else SIGNS_AFTER,
        "kept": nothing if revoke_old else KEPT,
    }
    async with database.platform() as connection:
        added = (await connection.execute(ADD, new)).one()
        detail = {"kid": key_id(key.public_key()), "older_revoked": revoke_old}
        await tell_every_tenant(connection, "token_key.rotated", ("token_key", row_id), detail)
    return Rotated(key_id(key.public_key()), added.active_at, added.older_until)


async def tell_every_tenant(
    connection: AsyncConnection, action: str, subject: tuple[str, UUID | None], detail: Mapping[str, Any]
) -> None:
    """Writes what was done to a key of the whole platform to each tenant's audit log, in this transaction."""
    for tenant_id in (await connection.execute(TENANTS)).scalars().all():
        await connection.execute(SET_TENANT, {"tenant": str(tenant_id)})
        await audit.record(
            connection, UUID(str(tenant_id)), action, actor=("ops", None), subject=subject, detail=detail
        )
    await connection.execute(SET_TENANT, {"tenant": ""})
