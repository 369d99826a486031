"""How far the operator reaches into a tenant: as far as it has no admin of its own who could do it."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api.permissions import OPERATORS_SETTINGS
from api.problems import Problem
from api.staffing import WITHOUT_HOLDER
from helios.staff import ONE_AT_A_TIME
from helios.tokens import Identity

WITHDRAW = text(
    "UPDATE invitations SET revoked_at = now() WHERE tenant_id = :tenant_id AND id <> :kept AND created_by IS NULL "
    "AND 'admin' = ANY(roles) AND redeemed_at IS NULL AND revoked_at IS NULL"
)


async def require_no_admin(connection: AsyncConnection, tenant_id: UUID, detail: str = "") -> None:
    """Raises `tenant_has_admin` where an account of the tenant is an active admin. Staff changes wait meanwhile."""
    where = {"tenant_id": tenant_id, "roles": ["admin"]}
    await connection.execute(ONE_AT_A_TIME, where)
    if (await connection.execute(WITHOUT_HOLDER, where)).first() is None:
        raise Problem("tenant_has_admin", detail)


async def withdraw_invitations(connection: AsyncConnection, tenant_id: UUID, kept: UUID) -> None:
    """Of the operator's invitations of admins one is open at most: another, redeemed later, made a second admin."""
    await connection.execute(WITHDRAW, {"tenant_id": tenant_id, "kept": kept})


async def require_decides(
    connection: AsyncConnection, changer: Identity, tenant_id: UUID, settings: Collection[str]
) -> None:
    """Raises `tenant_has_admin` where these settings are the business of the tenant's own admins, and it has one."""
    own = changer.tenant_id == tenant_id and "admin" in changer.roles
    theirs = sorted(set(settings) - OPERATORS_SETTINGS)
    if not own and theirs:
        await require_no_admin(connection, tenant_id, f"The tenant's admins decide about {', '.join(theirs)}.")
