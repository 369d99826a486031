"""A tenant's API keys: shown once, kept as a hash, good for their scopes until they expire or are revoked."""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse
from sqlalchemy import insert, text

from api import examples
from api.authentication import caller
from api.cleaning import clean
from api.described import described
from api.models import NewApiKey
from api.pagination import Cursor, Limit, page, position, read_cursor
from api.problems import not_found
from api.state import State
from api.validation import StrictRoute
from helios import audit
from helios.crypto import token_hash
from helios.ids import new_id
from helios.times import moment
from helios.tokens import Identity
from schema.tables import ApiKey, ApiKeyIndex

# What is created here is a secret: it is never stored, so no idempotency key can bring it back.
router = APIRouter(prefix="/v1/api-keys", tags=["API keys"], route_class=StrictRoute)

Manager = Annotated[Identity, Depends(caller("api_keys.manage"))]
Status = Literal["active", "expired", "revoked"]
PREFIX_LENGTH = 12

STATUS = "CASE WHEN deleted_at IS NOT NULL THEN 'revoked' WHEN expires_at <= now() THEN 'expired' ELSE 'active' END"
COLUMNS = f"SELECT *, {STATUS} AS status FROM api_keys WHERE tenant_id = :tenant_id"  # noqa: S608
ONE = text(f"{COLUMNS} AND id = :id")
LIST = text(
    f"""{COLUMNS} AND (CAST(:status AS text) IS NULL OR {STATUS} = :status)
      AND (CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, CAST(:after AS uuid)))
    ORDER BY created_at DESC, id DESC LIMIT :most
    """
)
REVOKE = text(
    "UPDATE api_keys SET deleted_at = now() WHERE tenant_id = :tenant_id AND id = :id AND deleted_at IS NULL "
    "RETURNING id"
)


@router.post(
    "",
    **described(
        examples.NEW_API_KEY,
        "forbidden",
        status=201,
        body={"name": "website", "scopes": ["customer_tokens"], "expires_at": "2027-06-01T00:00:00Z"},
    ),
)
async def create_api_key(body: NewApiKey, services: State, manager: Manager) -> Response:
    """Makes a key. `key` is shown this once."""
    key, key_id = f"hk_live_{secrets.token_urlsafe(32)}", new_id()
    hashed = token_hash(key)
    async with services.database.tenant(manager.tenant_id) as connection:
        await connection.execute(
            insert(ApiKey).values(
                tenant_id=manager.tenant_id,
                id=key_id,
                name=clean(body.name),
                prefix=key[:PREFIX_LENGTH],
                key_hash=hashed,
                scopes=sorted(set(body.scopes)),
                created_by=manager.id,
                expires_at=body.expires_at,
            )
        )
        await connection.execute(
            insert(ApiKeyIndex).values(key_hash=hashed, tenant_id=manager.tenant_id, api_key_id=key_id)
        )
        await audit.record(
            connection,
            manager.tenant_id,
            "api_key.created",
            actor=("user", manager.id),
            subject=("api_key", key_id),
            detail={"scopes": sorted(set(body.scopes))},
        )
        row = (await connection.execute(ONE, {"tenant_id": manager.tenant_id, "id": key_id})).one()
    headers = {"Location": f"/v1/api-keys/{key_id}", "Cache-Control": "no-store"}
    return JSONResponse({**_shown(row), "key": key}, 201, headers)


@router.get("", **described(examples.page(examples.API_KEY), "forbidden"))
async def list_api_keys(
    services: State, manager: Manager, status: Status | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The tenant's keys, newest first, without their secret."""
    where = {"tenant_id": manager.tenant_id, "status": status, "most": limit + 1, **position(read_cursor(cursor))}
    async with services.database.tenant(manager.tenant_id) as connection:
        rows = (await connection.execute(LIST, where)).all()
    return JSONResponse(page(rows, limit, _shown))


@router.get("/{api_key_id}", **described(examples.API_KEY, "not_found"))
async def read_api_key(api_key_id: UUID, services: State, manager: Manager) -> Response:
    async with services.database.tenant(manager.tenant_id) as connection:
        row = (await connection.execute(ONE, {"tenant_id": manager.tenant_id, "id": api_key_id})).one_or_none()
    return JSONResponse(_shown(row if row is not None else not_found()))


@router.delete("/{api_key_id}", **described(None, "not_found", status=204))
async def revoke_api_key(api_key_id: UUID, services: State, manager: Manager) -> Response:
    """Revokes the key from this moment on. Again changes nothing."""
    where = {"tenant_id": manager.tenant_id, "id": api_key_id}
    async with services.database.tenant(manager.tenant_id) as connection:
        revoked = (await connection.execute(REVOKE, where)).scalar_one_or_none()
        if revoked is None and (await connection.execute(ONE, where)).one_or_none() is None:
            not_found()
        if revoked is not None:
            # Its place in the index stays: whoever goes on using it is noted in this tenant's access log.
            await audit.record(
                connection,
                manager.tenant_id,
                "api_key.revoked",
                actor=("user", manager.id),
                subject=("api_key", api_key_id),
            )
    services.ended_tokens.look_again(manager.tenant_id)
    return Response(status_code=204)


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "name": row.name,
        "prefix": row.prefix,
        "scopes": row.scopes,
        "status": row.status,
        "created_at": moment(row.created_at),
        "expires_at": moment(row.expires_at),
        "last_used_at": moment(row.last_used_at),
    }
