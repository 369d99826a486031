"""A second factor that somebody has lost with all its recovery codes: an admin takes it away, never his own."""

from __future__ import annotations

import secrets
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api import staffing
from api.authentication import caller
from api.described import described
from api.idempotency import IdempotentRoute
from api.mailing import mailing
from api.models import Nothing
from api.problems import Problem
from api.state import State
from helios import audit, outbox, staff
from helios.crypto import TenantKeys
from helios.identity import second_factor, sessions
from helios.invitations import LIFETIME
from helios.passwords import hash_password
from helios.tokens import Identity

router = APIRouter(prefix="/v1/users/{user_id}/mfa", tags=["Users"], route_class=IdempotentRoute)
Manager = Annotated[Identity, Depends(caller("users.manage"))]

SHUT_SHORT_PASSWORD = text(
    "UPDATE users SET password_hash = :unknown, password_needs_factor = false, updated_at = now() "
    "WHERE tenant_id = :tenant_id AND id = :id AND password_needs_factor"
)


@router.post(
    "/reset",
    **described(None, "own_account", "role_not_grantable", "mfa_not_enabled", "not_found", status=204),
)
async def reset_factor(user_id: UUID, services: State, manager: Manager, body: Nothing | None = None) -> Response:
    """Takes away a second factor that the person has lost, ends their sessions, and tells them by mail. A password that
    is too short to stand alone ends with it: they set a new one with `POST /v1/auth/password/reset-request`."""
    keys = await services.keyring.tenant(manager.tenant_id)
    unknown = await hash_password(secrets.token_urlsafe(32))
    async with services.database.tenant(manager.tenant_id) as connection:
        await _reset(connection, keys, manager, user_id, unknown)
    return Response(status_code=204, background=mailing(services, manager.tenant_id))


async def _reset(connection: AsyncConnection, keys: TenantKeys, manager: Identity, user_id: UUID, unknown: str) -> None:
    person = await staffing.find(connection, manager.tenant_id, user_id)
    if person.id == manager.id:
        raise Problem("own_account", "Remove your own with a code of it: `DELETE /v1/auth/mfa/totp`.")
    staffing.require_grantable(manager, person.roles)
    if not await second_factor.remove(connection, manager.tenant_id, user_id):
        raise Problem("mfa_not_enabled")
    shut = {"tenant_id": manager.tenant_id, "id": user_id, "unknown": unknown}
    await connection.execute(SHUT_SHORT_PASSWORD, shut)
    me: tuple[audit.ActorType, UUID | None] = ("user", manager.id)
    await sessions.revoke_all(connection, manager.tenant_id, user_id, reason="mfa_reset", actor=me)
    await audit.record(connection, manager.tenant_id, "user.mfa_reset", actor=me, subject=("user", user_id))
    await outbox.put_text(connection, keys, staff.email_of(keys, person), "mail_factor_reset", LIFETIME)
