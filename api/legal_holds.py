"""Legal holds: while one stands on a customer, nothing of theirs is erased and nothing expires."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio.service import RPCError

from api import privacy_examples as examples
from api.authentication import caller
from api.cleaning import clean
from api.described import described
from api.examples import page as listed
from api.idempotency import IdempotentRoute, resource_id
from api.models import NewLegalHold, Nothing
from api.pagination import Cursor, Limit, page, position, read_cursor
from api.privacy_requests import asking
from api.problems import not_found
from api.state import Services, State
from helios.crypto import Keys
from helios.privacy import holds
from helios.privacy.starting import look_again
from helios.times import moment
from helios.tokens import Identity

log = structlog.get_logger()

router = APIRouter(prefix="/v1/privacy/legal-holds", tags=["Privacy"], route_class=IdempotentRoute)

Reader = Annotated[Identity, Depends(caller("privacy.read"))]
Manager = Annotated[Identity, Depends(caller("privacy.manage"))]

ONE = text("SELECT * FROM legal_holds WHERE tenant_id = :tenant_id AND id = :id")
LIST = text(
    """
    SELECT * FROM legal_holds WHERE tenant_id = :tenant_id
      AND (CAST(:customer_id AS uuid) IS NULL OR customer_id = :customer_id)
      AND (CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, CAST(:after AS uuid)))
    ORDER BY created_at DESC, id DESC LIMIT :most
    """
)


@router.post(
    "",
    **described(
        examples.HOLD,
        "forbidden",
        "not_found",
        "customer_erased",
        status=201,
        body={"customer_id": examples.HOLD["customer_id"], "matter": "Case 26-1029"},
        about="The hold",
    ),
)
async def place_hold(body: NewLegalHold, request: Request, services: State, manager: Manager) -> Response:
    """Places a hold. It stands at once; where the tenant wants two people, as `proposed` until the second's yes."""
    hold_id, keys = resource_id(request), await services.keyring.tenant(manager.tenant_id)
    async with asking(services, manager) as connection:
        if await _find(connection, manager.tenant_id, hold_id) is None:
            matter = clean(body.matter)
            await holds.place(connection, keys, hold_id, body.customer_id, matter, ("user", manager.id))
        row = await _find(connection, manager.tenant_id, hold_id)
    return JSONResponse(_shown(row, keys), 201, {"Location": f"/v1/privacy/legal-holds/{hold_id}"})


@router.get("", **described(listed(examples.HOLD), "forbidden", "invalid_cursor", about="The holds"))
async def list_holds(
    services: State, reader: Reader, customer_id: UUID | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The tenant's holds, newest first, released ones as well."""
    keys = await services.keyring.tenant(reader.tenant_id)
    where = {"tenant_id": reader.tenant_id, "customer_id": customer_id, "most": limit + 1}
    async with services.database.tenant(reader.tenant_id) as connection:
        rows = (await connection.execute(LIST, {**where, **position(read_cursor(cursor))})).all()
    return JSONResponse(page(rows, limit, lambda row: _shown(row, keys)))


@router.get("/{hold_id}", **described(examples.HOLD, "forbidden", "not_found", about="The hold"))
async def read_hold(hold_id: UUID, services: State, reader: Reader) -> Response:
    return await _answer(services, reader, hold_id)


@router.post(
    "/{hold_id}/confirm",
    **described(examples.HOLD, "four_eyes", "not_found", "request_state", body={}, about="The hold, in force"),
)
async def confirm_hold(hold_id: UUID, services: State, manager: Manager, body: Nothing | None = None) -> Response:
    """The second person's yes to a hold that is proposed."""
    async with asking(services, manager) as connection:
        await holds.confirm(connection, manager.tenant_id, hold_id, ("user", manager.id))
    return await _answer(services, manager, hold_id)


@router.post(
    "/{hold_id}/release",
    **described(
        {**examples.HOLD, "status": "released"},
        "four_eyes",
        "not_found",
        "request_state",
        body={},
        about="The hold, released; or with its release proposed",
    ),
)
async def release_hold(hold_id: UUID, services: State, manager: Manager, body: Nothing | None = None) -> Response:
    """Releases the hold; where the tenant wants two people, the first one proposes it and the second one releases it.

    Erasures that it held go on.
    """
    async with asking(services, manager) as connection:
        freed = await holds.release(connection, manager.tenant_id, hold_id, ("user", manager.id))
    if freed is not None:
        try:
            await look_again(services.database, services.conversations.client, manager.tenant_id, freed)
        except (RPCError, OSError, RuntimeError) as error:
            log.warning("release not signalled", error=type(error).__name__)
    return await _answer(services, manager, hold_id)


async def _answer(services: Services, reader: Identity, hold_id: UUID) -> Response:
    keys = await services.keyring.tenant(reader.tenant_id)
    async with services.database.tenant(reader.tenant_id) as connection:
        row = await _find(connection, reader.tenant_id, hold_id)
    return JSONResponse(_shown(row if row is not None else not_found(), keys))


async def _find(connection: AsyncConnection, tenant_id: UUID, hold_id: UUID) -> Any | None:
    return (await connection.execute(ONE, {"tenant_id": tenant_id, "id": hold_id})).one_or_none()


def _shown(row: Any, keys: Keys) -> dict[str, Any]:
    people = {
        "placed_by": row.placed_by,
        "confirmed_by": row.confirmed_by,
        "release_proposed_by": row.release_by,
        "released_by": row.released_by,
    }
    return {
        "id": str(row.id),
        "customer_id": str(row.customer_id),
        "status": row.status,
        "matter": keys.open_text(row.matter_ct, holds.MATTER, row.id),
        **{name: str(value) if value else None for name, value in people.items()},
        "created_at": moment(row.created_at),
        "placed_at": moment(row.placed_at),
        "released_at": moment(row.released_at),
    }
