"""Tenants: the operator makes, suspends and deletes them; a tenant's admin sees and names his own."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from api import examples, inviting, operating
from api.authentication import caller
from api.described import described
from api.idempotency import IdempotentRoute, resource_id
from api.mailing import mailing
from api.models import NewAdmin, NewTenant, Nothing, TenantChange
from api.pagination import Cursor, Limit, page, position, read_cursor
from api.problems import Problem, not_found
from api.state import Services, State
from helios import audit, tenants
from helios.audit import ActorType
from helios.tenant_settings import TenantSettings
from helios.times import moment
from helios.tokens import Identity

router = APIRouter(prefix="/v1/tenants", tags=["Tenants"], route_class=IdempotentRoute)

Operator = Annotated[Identity, Depends(caller("tenants.manage"))]
Reader = Annotated[Identity, Depends(caller("tenants.read"))]
Changer = Annotated[Identity, Depends(caller("tenants.change"))]
Status = Literal["active", "suspended", "deleted"]

STATUS = (
    "CASE WHEN deleted_at IS NOT NULL THEN 'deleted' WHEN suspended_at IS NOT NULL THEN 'suspended' ELSE 'active' END"
)
COLUMNS = f"SELECT id, slug, name, settings_version, created_at, updated_at, {STATUS} AS status FROM tenants"  # noqa: S608
ONE = text(f"{COLUMNS} WHERE id = :id")
LIST = text(
    f"""{COLUMNS} WHERE (CAST(:status AS text) IS NULL OR {STATUS} = :status)
      AND (CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, CAST(:after AS uuid)))
    ORDER BY created_at DESC, id DESC LIMIT :most
    """
)
CHANGES: dict[str, str] = {
    "changed": "name = :name",
    "suspended": "suspended_at = coalesce(suspended_at, now())",
    "resumed": "suspended_at = NULL",
    "deleted": "deleted_at = coalesce(deleted_at, now())",
    "restored": "deleted_at = NULL",
}


@router.post(
    "",
    **described(
        examples.TENANT, "slug_taken", "forbidden", status=201, body={"slug": "harbour", "name": "Harbour Bank"}
    ),
)
async def create_tenant(body: NewTenant, request: Request, services: State, operator: Operator) -> Response:
    """Makes a tenant with its key, the default settings and the rules that ship. Invite its first admin next."""
    tenant_id = resource_id(request)
    try:
        async with services.database.tenant(tenant_id) as connection:
            if (await _find(connection, tenant_id)) is None:
                await tenants.create(
                    connection,
                    services.keyring.root,
                    tenant_id=tenant_id,
                    slug=body.slug,
                    name=body.name,
                    settings=TenantSettings(),
                    actor=("ops", operator.id),
                )
            row = await _find(connection, tenant_id)
    except IntegrityError:
        raise Problem("slug_taken", errors=[{"pointer": "/slug", "detail": "is taken"}]) from None
    return JSONResponse(_shown(row), 201, {"Location": f"/v1/tenants/{tenant_id}"})


@router.get("", **described(examples.page(examples.TENANT), "forbidden"))
async def list_tenants(
    services: State, operator: Operator, status: Status | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """All tenants, newest first."""
    where = {"status": status, "most": limit + 1, **position(read_cursor(cursor))}
    async with services.database.platform() as connection:
        rows = (await connection.execute(LIST, where)).all()
    return JSONResponse(page(rows, limit, _shown))


@router.get("/{tenant_id}", **described(examples.TENANT, "not_found"))
async def read_tenant(tenant_id: UUID, services: State, reader: Reader) -> Response:
    """One's own tenant; for the operator, any."""
    within_reach(reader, tenant_id)
    async with services.database.tenant(tenant_id) as connection:
        row = await _find(connection, tenant_id)
    return JSONResponse(_shown(row if row is not None else not_found()))


@router.patch("/{tenant_id}", **described(examples.TENANT, "not_found", body={"name": "Harbour Bank"}))
async def change_tenant(tenant_id: UUID, body: TenantChange, services: State, changer: Changer) -> Response:
    """Gives the tenant another name. Its short name stays: people sign in with it."""
    within_reach(changer, tenant_id)
    return await _change(services, changer, tenant_id, "changed", name=body.name)


@router.post("/{tenant_id}/suspend", **described({**examples.TENANT, "status": "suspended"}, "own_tenant", "not_found"))
async def suspend_tenant(tenant_id: UUID, services: State, operator: Operator, body: Nothing | None = None) -> Response:
    """Lets nobody of the tenant in, and closes its streams within seconds. Its data and running workflows stay."""
    _not_own(operator, tenant_id)
    return await _change(services, operator, tenant_id, "suspended")


@router.post("/{tenant_id}/resume", **described(examples.TENANT, "not_found"))
async def resume_tenant(tenant_id: UUID, services: State, operator: Operator, body: Nothing | None = None) -> Response:
    """Ends a suspension."""
    return await _change(services, operator, tenant_id, "resumed")


@router.post("/{tenant_id}/restore", **described(examples.TENANT, "not_found"))
async def restore_tenant(tenant_id: UUID, services: State, operator: Operator, body: Nothing | None = None) -> Response:
    """Takes a deletion back."""
    return await _change(services, operator, tenant_id, "restored")


@router.delete("/{tenant_id}", **described(None, "own_tenant", "not_found", status=204))
async def delete_tenant(tenant_id: UUID, services: State, operator: Operator) -> Response:
    """Marks the tenant as deleted: nobody gets in, and nothing is erased. Records keep their retention."""
    _not_own(operator, tenant_id)
    await _change(services, operator, tenant_id, "deleted")
    return Response(status_code=204)


@router.post(
    "/{tenant_id}/admins",
    **described(
        {**examples.INVITATION, "roles": ["admin"]},
        *("tenant_has_admin", "not_found"),
        status=201,
        body={"email": "ada@harbour.example"},
    ),
)
async def invite_admin(
    tenant_id: UUID, body: NewAdmin, request: Request, services: State, operator: Operator
) -> Response:
    """Invites the admin of a tenant that has none. The code to register with goes to them by mail, and to nobody else;
    an invitation that the operator sent before is worth nothing any more."""
    invitation_id = resource_id(request)
    async with services.database.tenant(tenant_id) as connection:
        if (await _find(connection, tenant_id)) is None:
            not_found()
        await operating.require_no_admin(connection, tenant_id)
        await operating.withdraw_invitations(connection, tenant_id, invitation_id)
        keys = await services.keyring.tenant(tenant_id)
        invited = await inviting.invite(
            connection, keys, invitation_id, email=body.email, roles=["admin"], actor=("ops", operator.id)
        )
    return JSONResponse(invited, 201, background=mailing(services, tenant_id))


def within_reach(identity: Identity, tenant_id: UUID) -> None:
    """The operator reaches every tenant, anybody else his own: another does not exist for him."""
    if identity.tenant_id != tenant_id and "platform_admin" not in identity.roles:
        not_found()


def acting(identity: Identity, tenant_id: UUID) -> tuple[ActorType, UUID]:
    """As the tenant's audit log names the actor: one of its own people, or the operator."""
    return ("user" if identity.tenant_id == tenant_id else "ops"), identity.id


def _not_own(operator: Identity, tenant_id: UUID) -> None:
    if operator.tenant_id == tenant_id:
        raise Problem("own_tenant")


async def _change(services: Services, actor: Identity, tenant_id: UUID, verb: str, **values: Any) -> Response:
    async with services.database.tenant(tenant_id) as connection:
        changed = await connection.execute(
            text(f"UPDATE tenants SET {CHANGES[verb]}, updated_at = now() WHERE id = :id"),  # noqa: S608 - a table of ours
            {"id": tenant_id, **values},
        )
        if changed.rowcount == 0:
            not_found()
        await audit.record(
            connection, tenant_id, f"tenant.{verb}", actor=acting(actor, tenant_id), subject=("tenant", tenant_id)
        )
        row = await _find(connection, tenant_id)
    services.tenants.forget(tenant_id)
    return JSONResponse(_shown(row))


async def _find(connection: AsyncConnection, tenant_id: UUID) -> Any | None:
    return (await connection.execute(ONE, {"id": tenant_id})).one_or_none()


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "slug": row.slug,
        "name": row.name,
        "status": row.status,
        "created_at": moment(row.created_at),
        "updated_at": moment(row.updated_at),
        "settings_version": row.settings_version,
    }
