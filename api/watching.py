"""Admins keep an eye on each other: who gets a role that changes or checks much is told to all of them, by mail.

It goes out with the change, from the same transaction: an admin who raises a helper of his own does not do it unseen.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api.permissions import WATCHED
from helios import outbox, staff
from helios.crypto import TenantKeys

LASTS = timedelta(days=7)
ADMINS = text(
    "SELECT id, email_ct FROM users WHERE tenant_id = :tenant_id AND 'admin' = ANY(roles) "
    "AND deactivated_at IS NULL AND deleted_at IS NULL"
)


async def tell_admins(
    connection: AsyncConnection, keys: TenantKeys, who: str, roles: Collection[str], *but: UUID | None
) -> None:
    """Tells that the address `who` gets these roles, if one of them is watched, to every active admin `but` those who
    know: who did it, and who it is."""
    watched = sorted(WATCHED & set(roles))
    if not watched:
        return
    for admin in await connection.execute(ADMINS, {"tenant_id": keys.tenant_id}):
        if admin.id not in but:
            address = staff.email_of(keys, admin)
            await outbox.put_text(connection, keys, address, "mail_role", LASTS, who=who, roles=", ".join(watched))
