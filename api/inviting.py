"""Inviting somebody to a tenant's staff: the code goes to the invited address, and to nobody else.

Whoever invites would otherwise hold the account before its owner does, with roles that he may not have himself.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api.watching import tell_admins
from helios import invitations, outbox, staff
from helios.audit import ActorType
from helios.crypto import TenantKeys
from helios.times import moment

ONE = text("SELECT * FROM invitations WHERE tenant_id = :tenant_id AND id = :id")


async def invite(
    connection: AsyncConnection,
    keys: TenantKeys,
    invitation_id: UUID,
    *,
    email: str,
    roles: Collection[str],
    actor: tuple[ActorType, UUID],
) -> dict[str, Any]:
    """The invitation as the API shows it; its mail waits in the outbox. One that is there already is not made again."""
    where = {"tenant_id": keys.tenant_id, "id": invitation_id}
    if (await connection.execute(ONE, where)).one_or_none() is None:
        made = await invitations.create(
            connection, keys, email=email, roles=roles, actor=actor, invitation_id=invitation_id
        )
        await outbox.put_code(connection, keys, email, "mail_invitation", made.token, invitations.LIFETIME)
        await tell_admins(connection, keys, staff.normal_email(email), roles, actor[1])
    return shown(keys, (await connection.execute(ONE, where)).one())


def shown(keys: TenantKeys, row: Any) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "email": invitations.email_of(keys, row),
        "roles": row.roles,
        "created_at": moment(row.created_at),
        "expires_at": moment(row.expires_at),
    }
