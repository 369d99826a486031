"""Legal holds: while one stands, nothing of that customer is erased and nothing expires.

Placing and releasing lock the customer's row, as freezing for erasure does: a hold is there before the freezing, or is
refused after it.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios import audit
from helios.crypto import TenantKeys
from helios.privacy.requests import CUSTOMER, SETTINGS, Actor
from helios.refusals import Refused
from helios.tenant_settings import TenantSettings
from schema.tables import LegalHold

MATTER = "legal_holds.matter_ct"
# One whose release is only proposed stands, and one that is only proposed does as well: neither loses anything.
STANDS = text(
    "SELECT EXISTS (SELECT FROM legal_holds "
    "WHERE tenant_id = :tenant_id AND customer_id = :customer_id AND status <> 'released')"
)
LOCKED = text("SELECT * FROM legal_holds WHERE tenant_id = :tenant_id AND id = :id FOR UPDATE")
PLACED = text(
    "UPDATE legal_holds SET status = 'in_force', confirmed_by = :by, placed_at = now() "
    "WHERE tenant_id = :tenant_id AND id = :id"
)
RELEASE_PROPOSED = text(
    "UPDATE legal_holds SET status = 'release_proposed', release_by = :by WHERE tenant_id = :tenant_id AND id = :id"
)
RELEASED = text(
    "UPDATE legal_holds SET status = 'released', release_by = coalesce(release_by, :by), released_by = :by, "
    "released_at = now() WHERE tenant_id = :tenant_id AND id = :id"
)


async def stands(connection: AsyncConnection, tenant_id: UUID, customer_id: UUID) -> bool:
    """Whether any hold stands on the customer."""
    where = {"tenant_id": tenant_id, "customer_id": customer_id}
    return bool((await connection.execute(STANDS, where)).scalar_one())


async def place(
    connection: AsyncConnection, keys: TenantKeys, hold_id: UUID, customer_id: UUID, matter: str, actor: Actor
) -> None:
    """Stands from this moment on; where the tenant wants two people, as `proposed` until a second one confirms it.

    Also an erased customer's statutory records can be held. Raises `Refused` while an erasure runs.
    """
    tenant_id = keys.tenant_id
    found = (await connection.execute(CUSTOMER, {"tenant_id": tenant_id, "id": customer_id})).one_or_none()
    if found is None:
        raise Refused("not_found")
    if found.frozen_at is not None and found.erased_at is None:
        raise Refused("customer_erased")
    status = "proposed" if await _four_eyes(connection, tenant_id) else "in_force"
    await connection.execute(
        insert(LegalHold).values(
            tenant_id=tenant_id,
            id=hold_id,
            customer_id=customer_id,
            status=status,
            matter_ct=keys.seal_text(matter, MATTER, hold_id),
            placed_by=actor[1],
        )
    )
    await _tell(connection, tenant_id, hold_id, "legal_hold.placed", actor, customer_id=str(customer_id), status=status)


async def confirm(connection: AsyncConnection, tenant_id: UUID, hold_id: UUID, actor: Actor) -> None:
    """The second person's yes to a hold that is proposed."""
    row = await _locked(connection, tenant_id, hold_id)
    if row.status != "proposed":
        raise Refused("request_state")
    if actor[1] == row.placed_by:
        raise Refused("four_eyes")
    await connection.execute(PLACED, {"tenant_id": tenant_id, "id": hold_id, "by": actor[1]})
    await _tell(connection, tenant_id, hold_id, "legal_hold.confirmed", actor, customer_id=str(row.customer_id))


async def release(connection: AsyncConnection, tenant_id: UUID, hold_id: UUID, actor: Actor) -> UUID | None:
    """Releases the hold, or proposes to where it takes a second person. The customer, once no hold is in the way."""
    row = await _locked(connection, tenant_id, hold_id)
    if row.status == "released":
        raise Refused("request_state")
    where = {"tenant_id": tenant_id, "id": hold_id, "by": actor[1]}
    if row.status != "release_proposed" and await _four_eyes(connection, tenant_id):
        await connection.execute(RELEASE_PROPOSED, where)
        await _tell(connection, tenant_id, hold_id, "legal_hold.release_proposed", actor)
        return None
    if row.status == "release_proposed" and actor[1] == row.release_by:
        raise Refused("four_eyes")
    await connection.execute(RELEASED, where)
    await _tell(connection, tenant_id, hold_id, "legal_hold.released", actor, customer_id=str(row.customer_id))
    customer_id: UUID = row.customer_id
    return None if await stands(connection, tenant_id, customer_id) else customer_id


async def _four_eyes(connection: AsyncConnection, tenant_id: UUID) -> bool:
    settings = TenantSettings.of((await connection.execute(SETTINGS, {"tenant_id": tenant_id})).scalar_one())
    return settings.privacy_four_eyes


async def _locked(connection: AsyncConnection, tenant_id: UUID, hold_id: UUID) -> Any:
    row = (await connection.execute(LOCKED, {"tenant_id": tenant_id, "id": hold_id})).one_or_none()
    if row is None:
        raise Refused("not_found")
    return row


async def _tell(
    connection: AsyncConnection, tenant_id: UUID, hold_id: UUID, action: str, actor: Actor, **detail: Any
) -> None:
    await audit.record(connection, tenant_id, action, actor=actor, subject=("legal_hold", hold_id), detail=detail)
