"""A tenant's own backend, by the API key that it sends in `X-API-Key`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Header, Request
from sqlalchemy import text

from api.problems import Problem
from api.state import Services
from helios.crypto import token_hash

ApiKey = Annotated[str | None, Header(alias="X-API-Key", max_length=256)]

WHOSE = text("SELECT tenant_id, api_key_id FROM api_key_index WHERE key_hash = :key_hash")
LIVE = text(
    "SELECT expires_at, last_used_at > now() - interval '1 minute' AS noted FROM api_keys "
    "WHERE tenant_id = :tenant_id AND id = :id "
    "AND deleted_at IS NULL AND (expires_at IS NULL OR expires_at > now()) AND :scope = ANY(scopes)"
)
# Once a minute at most: a busy backend would else write one row over and over.
USED = text(
    "UPDATE api_keys SET last_used_at = now() WHERE tenant_id = :tenant_id AND id = :id "
    "AND (last_used_at IS NULL OR last_used_at <= now() - interval '1 minute')"
)


@dataclass(frozen=True, slots=True)
class Backend:
    """Who calls with a key. `id`: the key's. `expires_at`: when it ends; None: it does not by itself."""

    tenant_id: UUID
    id: UUID
    expires_at: datetime | None = None
    kind: Literal["api_key"] = "api_key"


async def backend(services: Services, request: Request, api_key: str | None, scope: str) -> Backend:
    """Raises a 401 or 403 problem unless the key is in force, for this scope. Whose it is, is noted all the same: a key
    that was revoked and is still used stands in its tenant's access log."""
    if api_key is None:
        raise Problem("invalid_api_key")
    async with services.database.platform() as connection:
        row = (await connection.execute(WHOSE, {"key_hash": token_hash(api_key)})).one_or_none()
    if row is None:
        raise Problem("invalid_api_key")
    tenant = await services.tenants.get(row.tenant_id)
    if tenant is None or not tenant.open:
        raise Problem("tenant_suspended" if tenant is not None and not tenant.deleted else "invalid_api_key")
    request.state.backend = Backend(row.tenant_id, row.api_key_id)
    where = {"tenant_id": row.tenant_id, "id": row.api_key_id}
    async with services.database.tenant(row.tenant_id) as connection:
        live = (await connection.execute(LIVE, {**where, "scope": scope})).one_or_none()
        if live is None:  # revoked, too old, or for something else
            raise Problem("invalid_api_key")
        if not live.noted:
            await connection.execute(USED, where)
    return Backend(row.tenant_id, row.api_key_id, live.expires_at)
