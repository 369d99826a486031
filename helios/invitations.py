"""Invitations of staff: made by somebody who may, redeemed once by whoever holds the token.

The token `TENANT.ID.SECRET` is kept as a hash and names its tenant, so that redeeming it needs no other knowledge. An
address has one open invitation at most: a new one takes the place of the old.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios import audit, staff
from helios.crypto import TenantKeys, token_hash
from helios.ids import new_id
from schema.tables import Invitation

LIFETIME = timedelta(days=7)

REPLACE = staff.by_index(
    "UPDATE invitations SET revoked_at = now() WHERE tenant_id = :tenant_id AND email_index = ANY(:indexes) "
    "AND redeemed_at IS NULL AND revoked_at IS NULL"
)
REDEEM = text(
    "UPDATE invitations SET redeemed_at = now(), user_id = :user_id WHERE tenant_id = :tenant_id AND id = :id "
    "AND token_hash = :token_hash AND redeemed_at IS NULL AND revoked_at IS NULL AND expires_at > now() RETURNING *"
)
REVOKE = text(
    "UPDATE invitations SET revoked_at = now() WHERE tenant_id = :tenant_id AND id = :id "
    "AND redeemed_at IS NULL AND revoked_at IS NULL"
)


@dataclass(frozen=True, slots=True)
class Invited:
    """A fresh invitation. `token` is shown this once."""

    id: UUID
    token: str = field(repr=False)
    expires_at: datetime


async def create(
    connection: AsyncConnection,
    keys: TenantKeys,
    *,
    email: str,
    roles: Iterable[str],
    actor: tuple[audit.ActorType, UUID | None],
    lifetime: timedelta = LIFETIME,
    invitation_id: UUID | None = None,
) -> Invited:
    """Invites `email` with these roles, in the caller's transaction of that tenant. Whether the actor may, and whether
    the address has an account already, is the caller's business."""
    granted, tenant_id = sorted(set(roles)), keys.tenant_id
    made = Invited(invitation_id or new_id(), "", datetime.now(UTC) + lifetime)
    token = f"{tenant_id.hex}.{made.id.hex}.{secrets.token_urlsafe(32)}"
    indexes = staff.indexes(keys, email, staff.INVITED)
    await connection.execute(REPLACE, {"tenant_id": tenant_id, "indexes": indexes})
    await connection.execute(
        insert(Invitation).values(
            tenant_id=tenant_id,
            id=made.id,
            **staff.sealed_email(keys, made.id, email, staff.INVITED),
            roles=granted,
            token_hash=token_hash(token),
            created_by=actor[1] if actor[0] == "user" else None,
            expires_at=made.expires_at,
        )
    )
    await audit.record(
        connection,
        tenant_id,
        "invitation.created",
        actor=actor,
        subject=("invitation", made.id),
        detail={"roles": granted},
    )
    return Invited(made.id, token, made.expires_at)


async def redeem(connection: AsyncConnection, tenant_id: UUID, token: str, user_id: UUID) -> Any | None:
    """The invitation's row, now used up for this user; None for one that is used, revoked, too old or none at all.

    Of two who redeem it at once, one gets None: the update waits for the other transaction.
    """
    parsed = parse(token)
    if parsed is None or parsed[0] != tenant_id:
        return None
    found = await connection.execute(
        REDEEM, {"tenant_id": tenant_id, "id": parsed[1], "token_hash": token_hash(token), "user_id": user_id}
    )
    row = found.one_or_none()
    if row is not None:
        await audit.record(
            connection,
            tenant_id,
            "invitation.redeemed",
            actor=("user", user_id),
            subject=("invitation", row.id),
            detail={"user_id": str(user_id)},
        )
    return row


async def revoke(
    connection: AsyncConnection, tenant_id: UUID, invitation_id: UUID, actor: tuple[audit.ActorType, UUID | None]
) -> bool:
    """False where there is no open invitation with this id."""
    done = await connection.execute(REVOKE, {"tenant_id": tenant_id, "id": invitation_id})
    if done.rowcount == 0:
        return False
    subject = ("invitation", invitation_id)
    await audit.record(connection, tenant_id, "invitation.revoked", actor=actor, subject=subject)
    return True


def parse(token: str) -> tuple[UUID, UUID] | None:
    """The tenant and the id that a token `TENANT.ID.SECRET` claims; None for what has another form."""
    try:
        tenant, own, _ = token.split(".")
        return UUID(tenant), UUID(own)
    except ValueError:
        return None


def email_of(keys: TenantKeys, invitation: Any) -> str:
    return keys.open_text(invitation.email_ct, staff.INVITED, invitation.id)
