"""Codes to set a new password with: sent by mail, good once and for half an hour, kept as hashes."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios import audit
from helios.crypto import token_hash
from helios.ids import new_id
from helios.invitations import parse

LIFETIME = timedelta(minutes=30)
OPEN_MOST = 3
"""Codes of one account that are open at once: whoever asks for more fills somebody's mailbox."""

# Requests that come side by side must see each other's codes.
LOCK = text("SELECT FROM users WHERE tenant_id = :tenant_id AND id = :id FOR UPDATE")
MAKE = text(
    """
    INSERT INTO password_resets (tenant_id, id, user_id, token_hash, expires_at)
    SELECT CAST(:tenant_id AS uuid), CAST(:id AS uuid), CAST(:user_id AS uuid), CAST(:token_hash AS bytea),
        now() + CAST(:lifetime AS interval)
    WHERE (SELECT count(*) FROM password_resets WHERE tenant_id = :tenant_id AND user_id = :user_id
             AND expires_at > now()) < :most
    """
)
FIND = text(
    """
    SELECT users.*, password_resets.id AS reset_id FROM password_resets
    JOIN users ON users.tenant_id = password_resets.tenant_id AND users.id = password_resets.user_id
    WHERE password_resets.tenant_id = :tenant_id AND password_resets.id = :id AND token_hash = :token_hash
      AND used_at IS NULL AND expires_at > now() AND users.deleted_at IS NULL AND users.deactivated_at IS NULL
    """
)
USE = text(
    "UPDATE password_resets SET used_at = now() WHERE tenant_id = :tenant_id AND id = :id "
    "AND used_at IS NULL AND expires_at > now()"
)
CLOSE_OTHERS = text(
    "UPDATE password_resets SET used_at = now() WHERE tenant_id = :tenant_id AND user_id = :user_id AND used_at IS NULL"
)


@dataclass(frozen=True, slots=True)
class Found:
    user: Any
    reset_id: UUID


async def create(connection: AsyncConnection, tenant_id: UUID, user_id: UUID) -> str | None:
    """A new code; None where enough are open."""
    reset_id = new_id()
    token = f"{tenant_id.hex}.{reset_id.hex}.{secrets.token_urlsafe(32)}"
    await connection.execute(LOCK, {"tenant_id": tenant_id, "id": user_id})
    made = await connection.execute(
        MAKE,
        {"tenant_id": tenant_id, "id": reset_id, "user_id": user_id, "token_hash": token_hash(token),
         "lifetime": LIFETIME, "most": OPEN_MOST},
    )  # fmt: skip
    if made.rowcount == 0:
        return None
    await audit.record(
        connection, tenant_id, "auth.reset_requested", actor=("user", user_id), subject=("user", user_id)
    )
    return token


async def find(connection: AsyncConnection, token: str) -> Found | None:
    """Whose code this is, in a transaction of the tenant that it names; it stays unused."""
    parsed = parse(token)
    if parsed is None:
        return None
    where = {"tenant_id": parsed[0], "id": parsed[1], "token_hash": token_hash(token)}
    row = (await connection.execute(FIND, where)).one_or_none()
    return None if row is None else Found(row, row.reset_id)


async def use(connection: AsyncConnection, found: Found) -> bool:
    """Uses the code up, and the account's others with it. False where somebody was faster."""
    tenant_id = found.user.tenant_id
    used = await connection.execute(USE, {"tenant_id": tenant_id, "id": found.reset_id})
    await connection.execute(CLOSE_OTHERS, {"tenant_id": tenant_id, "user_id": found.user.id})
    return bool(used.rowcount)
