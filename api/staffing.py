"""What may be done to a member of staff, and by whom. One transaction each, one at a time within a tenant."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api.permissions import KEPT, grantable, not_separate
from api.problems import Problem, not_found
from api.watching import tell_admins
from helios import audit, staff
from helios.crypto import TenantKeys
from helios.identity import sessions
from helios.staff import ONE_AT_A_TIME
from helios.times import moment
from helios.tokens import Identity

STATUS = (
    "CASE WHEN deleted_at IS NOT NULL THEN 'deleted' WHEN deactivated_at IS NOT NULL THEN 'deactivated' "
    "ELSE 'active' END"
)
COLUMNS = (
    f"SELECT id, email_ct, display_name_ct, roles, created_at, updated_at, {STATUS} AS status "  # noqa: S608
    "FROM users WHERE tenant_id = :tenant_id"
)
ONE = text(f"{COLUMNS} AND id = :id")
WITHOUT_HOLDER = text(
    """
    SELECT role FROM unnest(CAST(:roles AS text[])) AS role WHERE NOT EXISTS (
        SELECT 1 FROM users WHERE tenant_id = :tenant_id AND deactivated_at IS NULL AND deleted_at IS NULL
          AND roles @> ARRAY[role])
    """
)
Verb = Literal["changed", "deactivated", "activated", "deleted", "restored"]
SETS: dict[Verb, str] = {
    "changed": "display_name_ct = coalesce(:name_ct, display_name_ct), roles = coalesce(CAST(:roles AS text[]), roles)",
    "deactivated": "deactivated_at = coalesce(deactivated_at, now())",
    "activated": "deactivated_at = NULL",
    "deleted": "deleted_at = coalesce(deleted_at, now())",
    "restored": "deleted_at = NULL",
}
OPENS: frozenset[Verb] = frozenset({"activated", "restored"})
"""These give an account its roles back."""


@dataclass(frozen=True, slots=True)
class Change:
    verb: Verb
    display_name: str | None = None
    roles: Collection[str] | None = None


def require_grantable(manager: Identity, roles: Collection[str]) -> None:
    """Raises `role_not_grantable` for the first role that the manager may neither give nor take."""
    for role in sorted(set(roles) - grantable(manager.roles)):
        raise Problem("role_not_grantable", f"You may not give or take the role {role}.")


def require_separate(roles: Collection[str]) -> None:
    """Raises `roles_not_separate` where one account would change things and check them."""
    if (pair := not_separate(roles)) is not None:
        raise Problem("roles_not_separate", f"Nobody holds both {pair[0]} and {pair[1]}: the one checks the other.")


async def apply(connection: AsyncConnection, keys: TenantKeys, manager: Identity, user_id: UUID, change: Change) -> Any:
    """The changed row. Raises a problem for one's own account, for a role out of reach, and for the last admin."""
    where = {"tenant_id": manager.tenant_id, "id": user_id}
    await connection.execute(ONE_AT_A_TIME, where)
    before = await find(connection, manager.tenant_id, user_id)
    new_roles = sorted(set(change.roles)) if change.roles is not None else None
    _require_may(manager, before, change, new_roles)
    name_ct = staff.sealed_name(keys, user_id, change.display_name) if change.display_name is not None else None
    values = {"name_ct": name_ct, "roles": new_roles} if change.verb == "changed" else {}
    statement = f"UPDATE users SET {SETS[change.verb]}, updated_at = now() WHERE tenant_id = :tenant_id AND id = :id"  # noqa: S608
    await connection.execute(text(statement), {**where, **values})
    after = await find(connection, manager.tenant_id, user_id)
    held = [role for role in KEPT if role in before.roles]
    if (await connection.execute(WITHOUT_HOLDER, {**where, "roles": held})).first() is not None:
        raise Problem("last_admin")
    if after.roles != before.roles or after.status != "active":
        ended = "roles_changed" if change.verb == "changed" else f"account_{change.verb}"
        await sessions.revoke_all(connection, manager.tenant_id, user_id, reason=ended, actor=("user", manager.id))
    await _record(connection, manager, before, after, change)
    got = set(after.roles) if change.verb in OPENS else set(after.roles) - set(before.roles)
    await tell_admins(connection, keys, staff.email_of(keys, after), got, manager.id, user_id)
    return after


async def find(connection: AsyncConnection, tenant_id: UUID, user_id: UUID) -> Any:
    """Raises `not_found`."""
    row = (await connection.execute(ONE, {"tenant_id": tenant_id, "id": user_id})).one_or_none()
    return row if row is not None else not_found()


def _require_may(manager: Identity, before: Any, change: Change, new_roles: list[str] | None) -> None:
    if change.verb == "changed":
        touched = set(before.roles) ^ set(new_roles) if new_roles is not None else set()
        if before.id == manager.id and touched:
            raise Problem("own_account", "Nobody changes his own roles: ask another admin.")
    else:
        touched = set(before.roles)
        if before.id == manager.id:
            raise Problem("own_account")
    require_grantable(manager, touched)
    if new_roles is not None or change.verb in OPENS:
        require_separate(new_roles or before.roles)


async def _record(connection: AsyncConnection, manager: Identity, before: Any, after: Any, change: Change) -> None:
    detail: dict[str, Any] = {}
    if change.display_name is not None:
        detail["changed"] = ["display_name"]
    if after.roles != before.roles:
        detail |= {"roles": after.roles, "roles_before": before.roles}
    await audit.record(
        connection,
        manager.tenant_id,
        f"user.{change.verb}",
        actor=("user", manager.id),
        subject=("user", after.id),
        detail=detail,
    )


def shown(keys: TenantKeys, row: Any) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "email": staff.email_of(keys, row),
        "display_name": staff.name_of(keys, row),
        "roles": sorted(row.roles),
        "status": row.status,
        "created_at": moment(row.created_at),
        "updated_at": moment(row.updated_at),
    }
