"""`POST /v1/auth/register`: staff come by invitation; where a tenant lets people register, one is mailed to them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text

from api.auth.answers import NO_STORE
from api.auth.codes import refused_is_noted
from api.auth.login import NO_TENANT, find_tenant
from api.auth.passwords import NEW, TENANT, accepted, require_strong
from api.cleaning import clean
from api.described import ID, described
from api.models import Registration
from api.problems import Problem
from api.staffing import require_separate
from api.state import Services, State
from api.validation import StrictRoute
from helios import audit, invitations, staff
from helios.crypto import token_hash
from helios.ids import new_id
from helios.passwords import hash_password

router = APIRouter(route_class=StrictRoute)

OPEN = text(
    "SELECT id, email_ct FROM invitations WHERE tenant_id = :tenant_id AND id = :id AND token_hash = :token_hash "
    "AND redeemed_at IS NULL AND revoked_at IS NULL AND expires_at > now()"
)
GIVE_ROLES = text("UPDATE users SET roles = :roles WHERE tenant_id = :tenant_id AND id = :id")


@router.post(
    "/register",
    summary="Open an account",
    **described(
        {"id": ID, "tenant_id": ID, "email": "new.agent@meridian.example", "roles": ["agent"]},
        *(
            "invalid_invitation",
            "weak_password",
            "invalid_request",
            "registration_closed",
            "account_exists",
            "roles_not_separate",
        ),
        status=201,
        bodies={
            "with an invitation": {"invitation": "the code", "display_name": "Noor Agent", "password": NEW},
            "without": {"tenant": "meridian", "email": "new.agent@meridian.example"},
        },
        about="The account; sign in with `POST /v1/auth/login`. 202 where an invitation was mailed",
    ),
)
async def register(body: Registration, services: State) -> Response:
    """With an invitation: opens the account with the invitation's address and roles. Without: where the tenant lets
    people register, mails an invitation to the address; an admin gives the account its first role."""
    given = {name for name, value in body.model_dump().items() if value is not None}
    if given == {"invitation", "display_name", "password"}:
        assert body.invitation is not None
        assert body.display_name is not None
        assert body.password is not None
        async with refused_is_noted(services, body.invitation, "/v1/auth/register"):
            return await _open_account(services, body.invitation, clean(body.display_name), body.password)
    if given == {"tenant", "email"}:
        assert body.tenant is not None
        assert body.email is not None
        return await _invite(services, body.tenant, body.email)
    raise Problem("invalid_request", "Send `invitation`, `display_name` and `password`, or `tenant` and `email`.")


async def _open_account(services: Services, invitation: str, name: str, password: str) -> Response:
    parsed = invitations.parse(invitation)
    if parsed is None:
        raise Problem("invalid_invitation")
    tenant_id, user_id = parsed[0], new_id()
    async with services.database.tenant(tenant_id) as connection:
        where = {"tenant_id": tenant_id, "id": parsed[1], "token_hash": token_hash(invitation)}
        invited = (await connection.execute(OPEN, where)).one_or_none()
        if invited is None:
            raise Problem("invalid_invitation")
        tenant = (await connection.execute(TENANT, where)).one()
    keys = await services.keyring.tenant(tenant_id)
    email = invitations.email_of(keys, invited)
    await require_strong(services, password, tenant, email, name, field="password")
    hashed = await hash_password(password)
    async with services.database.tenant(tenant_id) as connection:
        if not await staff.add(
            connection, keys, user_id, email=email, display_name=name, roles=(), password_hash=hashed
        ):
            raise Problem("account_exists")
        row = await invitations.redeem(connection, tenant_id, invitation, user_id)
        if row is None:
            raise Problem("invalid_invitation")
        require_separate(row.roles)
        await connection.execute(GIVE_ROLES, {"tenant_id": tenant_id, "id": user_id, "roles": row.roles})
        await audit.record(connection, tenant_id, "user.registered", actor=("user", user_id),
                           subject=("user", user_id), detail={"roles": row.roles})  # fmt: skip
    return JSONResponse(_shown(tenant_id, user_id, email, row.roles), 201, NO_STORE)


def _shown(tenant_id: UUID, user_id: UUID, email: str, roles: list[str]) -> dict[str, Any]:
    return {"id": str(user_id), "tenant_id": str(tenant_id), "email": email, "roles": roles}


async def _invite(services: Services, slug: str, email: str) -> Response:
    tenant_id = await find_tenant(services, slug)
    async with services.database.tenant(tenant_id) as connection:
        tenant = (await connection.execute(TENANT, {"tenant_id": tenant_id})).one_or_none()
    if tenant_id == NO_TENANT or tenant is None or tenant.settings.get("self_registration") is not True:
        raise Problem("registration_closed")
    return await accepted(services, tenant_id, "registration", email)
