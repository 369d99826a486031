"""A tenant's staff: invited, changed, deactivated and deleted by its admins. Nothing of theirs is ever erased here."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api import examples, inviting, staffing
from api.authentication import caller
from api.described import described
from api.idempotency import IdempotentRoute, resource_id
from api.mailing import mailing
from api.models import NewUser, Nothing, RoleName, UserChange
from api.pagination import Cursor, Limit, page, position, read_cursor
from api.problems import Problem, not_found
from api.state import State
from api.validation import StrictRoute
from helios import invitations, staff
from helios.crypto import TenantKeys
from helios.tokens import Identity

router = APIRouter(prefix="/v1/users", tags=["Users"], route_class=IdempotentRoute)
invitations_router = APIRouter(prefix="/v1/invitations", tags=["Users"], route_class=StrictRoute)

Reader = Annotated[Identity, Depends(caller("users.read"))]
Manager = Annotated[Identity, Depends(caller("users.manage"))]
Status = Literal["active", "deactivated", "deleted"]
Search = Annotated[
    str | None, Query(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f]+$", description="Part of name or address")
]

LIST = text(
    f"""{staffing.COLUMNS}
      AND (CAST(:status AS text) IS NULL OR {staffing.STATUS} = :status)
      AND (CAST(:role AS text) IS NULL OR roles @> ARRAY[CAST(:role AS text)])
      AND (CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, CAST(:after AS uuid)))
    ORDER BY created_at DESC, id DESC LIMIT :most
    """
)
INVITED = text(
    """
    SELECT * FROM invitations WHERE tenant_id = :tenant_id
      AND redeemed_at IS NULL AND revoked_at IS NULL AND expires_at > now()
      AND (CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, CAST(:after AS uuid)))
    ORDER BY created_at DESC, id DESC LIMIT :most
    """
)
SEARCHED_AT_ONCE = 500


@router.post(
    "",
    **described(
        examples.INVITATION,
        "email_taken",
        "role_not_grantable",
        "roles_not_separate",
        "forbidden",
        status=201,
        body={"email": "alex@bank.example", "roles": ["agent"]},
    ),
)
async def invite_user(body: NewUser, request: Request, services: State, manager: Manager) -> Response:
    """Invites somebody to the staff. The code to register with goes to them by mail, and to nobody else."""
    staffing.require_grantable(manager, body.roles)
    staffing.require_separate(body.roles)
    keys = await services.keyring.tenant(manager.tenant_id)
    async with services.database.tenant(manager.tenant_id) as connection:
        if await staff.find(connection, keys, body.email) is not None:
            raise Problem("email_taken", errors=[{"pointer": "/email", "detail": "has an account"}])
        invited = await inviting.invite(
            connection, keys, resource_id(request), email=body.email, roles=body.roles, actor=("user", manager.id)
        )
    return JSONResponse(invited, 201, background=mailing(services, manager.tenant_id))


@invitations_router.get("", **described(examples.page(examples.INVITATION), "forbidden"))
async def list_invitations(services: State, reader: Reader, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """Invitations that are still open, newest first."""
    where = {"tenant_id": reader.tenant_id, "most": limit + 1, **position(read_cursor(cursor))}
    keys = await services.keyring.tenant(reader.tenant_id)
    async with services.database.tenant(reader.tenant_id) as connection:
        rows = (await connection.execute(INVITED, where)).all()
    return JSONResponse(page(rows, limit, partial(inviting.shown, keys)))


@invitations_router.delete("/{invitation_id}", **described(None, "not_found", status=204))
async def revoke_invitation(invitation_id: UUID, services: State, manager: Manager) -> Response:
    """Its token is worth nothing any more."""
    async with services.database.tenant(manager.tenant_id) as connection:
        if not await invitations.revoke(connection, manager.tenant_id, invitation_id, ("user", manager.id)):
            not_found()
    return Response(status_code=204)


@router.get("", **described(examples.page(examples.USER), "forbidden"))
async def list_users(
    services: State,
    reader: Reader,
    status: Status | None = None,
    role: RoleName | None = None,
    search: Search = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The tenant's staff, newest first."""
    where = {"tenant_id": reader.tenant_id, "status": status, "role": role, **position(read_cursor(cursor))}
    keys = await services.keyring.tenant(reader.tenant_id)
    async with services.database.tenant(reader.tenant_id) as connection:
        if search is None:
            rows = (await connection.execute(LIST, {**where, "most": limit + 1})).all()
        else:
            rows = await _with_part(connection, keys, where, search, limit + 1)
    return JSONResponse(page(rows, limit, partial(staffing.shown, keys)))


async def _with_part(
    connection: AsyncConnection, keys: TenantKeys, where: dict[str, Any], part: str, most: int
) -> list[Any]:
    """The first of those whose name or address has this part: the database cannot tell, so the tenant's are opened."""
    found: list[Any] = []
    while True:
        rows = (await connection.execute(LIST, {**where, "most": SEARCHED_AT_ONCE})).all()
        for row in rows:
            if part.lower() in f"{staff.name_of(keys, row)} {staff.email_of(keys, row)}".lower():
                found.append(row)
            if len(found) == most:
                return found
        if len(rows) < SEARCHED_AT_ONCE:
            return found
        where = {**where, "at": rows[-1].created_at, "after": rows[-1].id}


@router.get("/{user_id}", **described(examples.USER, "not_found"))
async def read_user(user_id: UUID, services: State, reader: Reader) -> Response:
    keys = await services.keyring.tenant(reader.tenant_id)
    async with services.database.tenant(reader.tenant_id) as connection:
        row = await staffing.find(connection, reader.tenant_id, user_id)
    return JSONResponse(staffing.shown(keys, row))


@router.patch(
    "/{user_id}",
    **described(
        examples.USER,
        "own_account",
        "role_not_grantable",
        "roles_not_separate",
        "last_admin",
        "not_found",
        body={"roles": ["agent", "supervisor"]},
    ),
)
async def change_user(user_id: UUID, body: UserChange, services: State, manager: Manager) -> Response:
    """Another name, other roles. Roles end the person's sessions; nobody changes his own."""
    changes = body.model_dump(exclude_none=True)
    return await _changed(services, manager, user_id, staffing.Change("changed", **changes))


@router.post(
    "/{user_id}/deactivate",
    **described(
        {**examples.USER, "status": "deactivated"}, "own_account", "role_not_grantable", "last_admin", "not_found"
    ),
)
async def deactivate_user(user_id: UUID, services: State, manager: Manager, body: Nothing | None = None) -> Response:
    """Ends the person's sessions and lets them in no more, until they are activated."""
    return await _changed(services, manager, user_id, staffing.Change("deactivated"))


@router.post(
    "/{user_id}/activate",
    **described(examples.USER, "own_account", "role_not_grantable", "roles_not_separate", "not_found"),
)
async def activate_user(user_id: UUID, services: State, manager: Manager, body: Nothing | None = None) -> Response:
    """Lets a deactivated person in again."""
    return await _changed(services, manager, user_id, staffing.Change("activated"))


@router.post(
    "/{user_id}/restore",
    **described(examples.USER, "own_account", "role_not_grantable", "roles_not_separate", "not_found"),
)
async def restore_user(user_id: UUID, services: State, manager: Manager, body: Nothing | None = None) -> Response:
    """Takes a deletion back."""
    return await _changed(services, manager, user_id, staffing.Change("restored"))


@router.delete(
    "/{user_id}", **described(None, "own_account", "role_not_grantable", "last_admin", "not_found", status=204)
)
async def delete_user(user_id: UUID, services: State, manager: Manager) -> Response:
    """Marks the account as deleted and ends its sessions. What the person did keeps their id."""
    await _changed(services, manager, user_id, staffing.Change("deleted"))
    return Response(status_code=204)


async def _changed(services: State, manager: Identity, user_id: UUID, change: staffing.Change) -> Response:
    keys = await services.keyring.tenant(manager.tenant_id)
    async with services.database.tenant(manager.tenant_id) as connection:
        row = await staffing.apply(connection, keys, manager, user_id, change)
    return JSONResponse(staffing.shown(keys, row), background=mailing(services, manager.tenant_id))
