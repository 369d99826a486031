"""The statutory copies of erased conversations: listed for who handles privacy, read by the compliance role only."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text

from api import privacy_examples as examples
from api.auth.answers import NO_STORE
from api.authentication import caller
from api.described import described
from api.examples import page as listed
from api.pagination import Cursor, Limit, page, position, read_cursor
from api.problems import not_found
from api.state import State
from api.validation import StrictRoute
from helios import audit
from helios.customer_keys import customer_keys
from helios.times import moment
from helios.tokens import Identity

router = APIRouter(prefix="/v1/privacy/records", tags=["Privacy"], route_class=StrictRoute)

CONTENT = "statutory_records.content_ct"
ONE = text("SELECT * FROM statutory_records WHERE tenant_id = :tenant_id AND id = :id")
LIST = text(
    """
    SELECT * FROM statutory_records WHERE tenant_id = :tenant_id
      AND (CAST(:customer_id AS uuid) IS NULL OR customer_id = :customer_id)
      AND (CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, CAST(:after AS uuid)))
    ORDER BY created_at DESC, id DESC LIMIT :most
    """
)


@router.get("", **described(listed(examples.RECORD), "forbidden", "invalid_cursor", about="The records"))
async def list_records(
    services: State,
    reader: Annotated[Identity, Depends(caller("privacy.read"))],
    customer_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """What regulation made us keep of erased customers, without its content; newest first."""
    where = {"tenant_id": reader.tenant_id, "customer_id": customer_id, "most": limit + 1}
    async with services.database.tenant(reader.tenant_id) as connection:
        rows = (await connection.execute(LIST, {**where, **position(read_cursor(cursor))})).all()
    return JSONResponse(page(rows, limit, _shown))


@router.get("/{record_id}", **described(examples.RECORD_IN_FULL, "forbidden", "not_found", about="The record"))
async def read_record(
    record_id: UUID, services: State, officer: Annotated[Identity, Depends(caller("records.read"))]
) -> Response:
    """The record in full. Each reading is an audit event. `content` is null once its retention has ended."""
    tenant = await services.keyring.tenant(officer.tenant_id)
    async with services.database.tenant(officer.tenant_id) as connection:
        found = await connection.execute(ONE, {"tenant_id": officer.tenant_id, "id": record_id})
        row = found.one_or_none()
        if row is None:
            not_found()
        keys = await customer_keys(connection, tenant, row.customer_id, "record")
        content = keys.open_json(row.content_ct, CONTENT, row.id) if row.content_ct else None
        await audit.record(
            connection, officer.tenant_id, "statutory_record.read", actor=("user", officer.id),
            subject=("statutory_record", row.id), detail={"conversation_id": str(row.conversation_id)},
        )  # fmt: skip
    return JSONResponse({**_shown(row), "content": content}, headers=NO_STORE)


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "customer_id": str(row.customer_id),
        "conversation_id": str(row.conversation_id),
        "class": row.record_class,
        "retain_until": moment(row.retain_until),
        "created_at": moment(row.created_at),
        "destroyed_at": moment(row.destroyed_at),
    }
