"""What customers ask of their data: filed by staff, after the tenant made sure who asks, and carried out durably."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api import privacy_examples as examples
from api.auth.answers import NO_STORE
from api.authentication import caller
from api.described import binary_content, described
from api.examples import page as listed
from api.idempotency import IdempotentRoute, resource_id
from api.models import NewPrivacyRequest, Nothing, Refusal, Verified
from api.pagination import Cursor, Limit, page, position, read_cursor
from api.problems import Problem, not_found
from api.starting import start_later
from api.state import Services, State
from helios import audit
from helios.customer_keys import customer_keys
from helios.privacy import requests
from helios.privacy.requests import Actor
from helios.privacy.starting import start
from helios.refusals import Refused
from helios.times import moment
from helios.tokens import Identity
from schema.privacy import RequestKind, RequestRef, RequestStatus

router = APIRouter(prefix="/v1/privacy/requests", tags=["Privacy"], route_class=IdempotentRoute)

Reader = Annotated[Identity, Depends(caller("privacy.read"))]
Manager = Annotated[Identity, Depends(caller("privacy.manage"))]

ONE = text("SELECT * FROM privacy_requests WHERE tenant_id = :tenant_id AND id = :id")
EXPORT = text(
    "SELECT customer_id, export_ct FROM privacy_requests WHERE tenant_id = :tenant_id AND id = :id "
    "AND export_ct IS NOT NULL AND export_until > now() FOR UPDATE"
)
EXPORTED = text(
    "UPDATE privacy_requests SET export_ct = NULL, exported_at = now() WHERE tenant_id = :tenant_id AND id = :id"
)
LIST = text(
    """
    SELECT * FROM privacy_requests WHERE tenant_id = :tenant_id
      AND (CAST(:kind AS text) IS NULL OR kind = :kind) AND (CAST(:status AS text) IS NULL OR status = :status)
      AND (CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, CAST(:after AS uuid)))
    ORDER BY created_at DESC, id DESC LIMIT :most
    """
)
CUSTOMER = text("SELECT id FROM customers WHERE tenant_id = :tenant_id AND external_id_index = :index")


@router.post(
    "",
    **described(
        examples.WAITING,
        "forbidden",
        "not_found",
        "customer_erased",
        "request_open",
        status=201,
        body={"kind": "erasure", "external_id": "c-1029", "verification": {"method": "document"}},
        about="The request",
    ),
)
async def file_request(body: NewPrivacyRequest, request: Request, services: State, manager: Manager) -> Response:
    """Files a customer's request for their data, or for its erasure.

    With `verification` it begins at once, unless the tenant wants a second person to approve it.
    """
    request_id, actor = resource_id(request), _actor(manager)
    customer_id = await _customer(services, manager, body)
    runs = False
    async with asking(services, manager) as connection:
        if await _find(connection, manager.tenant_id, request_id) is None:
            await requests.ask(
                connection, manager.tenant_id, request_id, body.kind, customer_id, body.received_at, actor
            )
            if body.verification is not None:
                how = body.verification.method
                runs = await requests.verify(connection, manager.tenant_id, request_id, how, actor)
        row = await _find(connection, manager.tenant_id, request_id)
    if runs:
        await _start(services, manager.tenant_id, row)
    return JSONResponse(_shown(row), 201, {"Location": f"/v1/privacy/requests/{request_id}"})


@router.get("", **described(listed(examples.REQUEST), "forbidden", "invalid_cursor", about="The requests"))
async def list_requests(
    services: State,
    reader: Reader,
    kind: RequestKind | None = None,
    status: RequestStatus | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The tenant's requests, newest first."""
    where = {"tenant_id": reader.tenant_id, "kind": kind, "status": status, "most": limit + 1}
    async with services.database.tenant(reader.tenant_id) as connection:
        rows = (await connection.execute(LIST, {**where, **position(read_cursor(cursor))})).all()
    return JSONResponse(page(rows, limit, _shown))


@router.get("/{request_id}", **described(examples.DONE, "forbidden", "not_found", about="The request"))
async def read_request(request_id: UUID, services: State, reader: Reader) -> Response:
    async with services.database.tenant(reader.tenant_id) as connection:
        row = await _find(connection, reader.tenant_id, request_id)
    return JSONResponse(_shown(row if row is not None else not_found()))


@router.get(
    "/{request_id}/export",
    response_class=Response,
    **described(
        None,
        "forbidden",
        "not_found",
        also={200: {"description": "The archive", "content": binary_content("application/zip", "PK…")}},
    ),
)
async def fetch_export(request_id: UUID, services: State, manager: Manager) -> Response:
    """The archive of a finished `access` request. It is given out once; 404 afterwards, and once it has expired."""
    tenant = await services.keyring.tenant(manager.tenant_id)
    async with services.database.tenant(manager.tenant_id) as connection:
        where = {"tenant_id": manager.tenant_id, "id": request_id}
        row = (await connection.execute(EXPORT, where)).one_or_none()
        if row is None:
            not_found()
        keys = await customer_keys(connection, tenant, row.customer_id)
        archive = keys.open(row.export_ct, "privacy_requests.export_ct", request_id)
        await connection.execute(EXPORTED, where)
        await audit.record(
            connection, manager.tenant_id, "privacy_export.fetched", actor=_actor(manager),
            subject=("privacy_request", request_id), detail={"bytes": len(archive)},
        )  # fmt: skip
    named = {**NO_STORE, "Content-Disposition": 'attachment; filename="personal-data.zip"'}
    return Response(archive, media_type="application/zip", headers=named)


@router.post(
    "/{request_id}/verify",
    **described(
        examples.REQUEST,
        "forbidden",
        "not_found",
        "request_state",
        body={"method": "document"},
        about="The request, running or awaiting its approval",
    ),
)
async def verify_request(request_id: UUID, body: Verified, services: State, manager: Manager) -> Response:
    """Says that the one who asks is the customer, and how that was made sure."""
    async with asking(services, manager) as connection:
        await requests.verify(connection, manager.tenant_id, request_id, body.method, _actor(manager))
        row = await _find(connection, manager.tenant_id, request_id)
    await _start(services, manager.tenant_id, row)
    return JSONResponse(_shown(row))


@router.post(
    "/{request_id}/approve",
    **described(examples.REQUEST, "four_eyes", "not_found", "request_state", body={}, about="The request, which runs"),
)
async def approve_request(request_id: UUID, services: State, manager: Manager, body: Nothing | None = None) -> Response:
    """The second person's yes, where the tenant's settings ask for one: by who neither filed nor verified it."""
    async with asking(services, manager) as connection:
        await requests.approve(connection, manager.tenant_id, request_id, _actor(manager))
        row = await _find(connection, manager.tenant_id, request_id)
    await _start(services, manager.tenant_id, row)
    return JSONResponse(_shown(row))


@router.post(
    "/{request_id}/refuse",
    **described(
        {**examples.WAITING, "status": "refused", "refusal": "not_verified"},
        "forbidden",
        "not_found",
        "request_state",
        body={"reason": "not_verified"},
        about="The request, closed",
    ),
)
async def refuse_request(request_id: UUID, body: Refusal, services: State, manager: Manager) -> Response:
    """Closes a request that has not begun."""
    async with asking(services, manager) as connection:
        await requests.refuse(connection, manager.tenant_id, request_id, body.reason, _actor(manager))
        row = await _find(connection, manager.tenant_id, request_id)
    return JSONResponse(_shown(row))


@asynccontextmanager
async def asking(services: Services, identity: Identity) -> AsyncIterator[AsyncConnection]:
    """A transaction of the tenant in which a refusal is a problem."""
    try:
        async with services.database.tenant(identity.tenant_id) as connection:
            yield connection
    except Refused as refused:
        raise Problem(refused.code) from None


async def _customer(services: Services, manager: Identity, body: NewPrivacyRequest) -> UUID:
    if (body.customer_id is None) == (body.external_id is None):
        detail = "name the customer by either customer_id or external_id"
        raise Problem("invalid_request", errors=[{"pointer": "/customer_id", "detail": detail}])
    if body.customer_id is not None:
        return body.customer_id
    assert body.external_id is not None
    keys = await services.keyring.tenant(manager.tenant_id)
    where = {
        "tenant_id": manager.tenant_id,
        "index": keys.blind_index(body.external_id, "customers.external_id"),
    }
    async with services.database.tenant(manager.tenant_id) as connection:
        found: UUID | None = (await connection.execute(CUSTOMER, where)).scalar_one_or_none()
    return found if found is not None else not_found()


async def _start(services: Services, tenant_id: UUID, row: Any) -> None:
    if row.status != "running":
        return
    ref = RequestRef(tenant_id, row.id)
    await start_later(start(services.conversations.client, services.settings, ref, row.kind), row.kind)


async def _find(connection: AsyncConnection, tenant_id: UUID, request_id: UUID) -> Any | None:
    return (await connection.execute(ONE, {"tenant_id": tenant_id, "id": request_id})).one_or_none()


def _actor(manager: Identity) -> Actor:
    return "user", manager.id


def _shown(row: Any) -> dict[str, Any]:
    verified = {"method": row.verified_how, "by": _id(row.verified_by), "at": moment(row.verified_at)}
    export = {"until": moment(row.export_until), "fetched_at": moment(row.exported_at)}
    return {
        "id": str(row.id),
        "kind": row.kind,
        "customer_id": str(row.customer_id),
        "status": row.status,
        "requested_by": _id(row.requested_by),
        "verification": verified if row.verified_how else None,
        "approval": {"by": _id(row.approved_by), "at": moment(row.approved_at)} if row.approved_at else None,
        "refusal": row.refusal,
        "received_at": moment(row.received_at),
        "due_at": moment(row.due_at),
        "result": row.result or None,
        "export": export if row.export_until else None,
        "created_at": moment(row.created_at),
        "completed_at": moment(row.completed_at),
    }


def _id(value: UUID | None) -> str | None:
    return None if value is None else str(value)
