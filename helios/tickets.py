"""Tickets: read under their lock, and changed together with their history and the audit log."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, insert, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from helios import audit
from helios.audit import ActorType
from helios.ids import new_id
from helios.refusals import Refused
from schema.clocks import TicketRef
from schema.tables import TicketEvent

LOCK = text("SELECT * FROM tickets WHERE tenant_id = :tenant_id AND id = :id FOR UPDATE")
CHANGE = text(
    "UPDATE tickets SET clocks = :clocks, status = coalesce(CAST(:status AS text), status), "
    "closed_at = CASE WHEN CAST(:status AS text) IS NULL THEN closed_at ELSE now() END "
    "WHERE tenant_id = :tenant_id AND id = :id"
).bindparams(bindparam("clocks", type_=JSONB))


async def locked(connection: AsyncConnection, ref: TicketRef) -> Any:
    """The ticket's row. Raises `Refused` of code `not_found`."""
    row = (await connection.execute(LOCK, {"tenant_id": ref.tenant_id, "id": ref.ticket_id})).one_or_none()
    if row is None:
        raise Refused("not_found")
    return row


async def change(
    connection: AsyncConnection,
    ref: TicketRef,
    done: str,
    *,
    clocks: list[dict[str, Any]],
    actor: tuple[ActorType, UUID | None],
    clock: str | None = None,
    status: str | None = None,
    event_id: UUID | None = None,
    reason_ct: bytes | None = None,
) -> None:
    """Stores the clocks, the status where it changes, what was done in the history, and its audit event."""
    where = {"tenant_id": ref.tenant_id, "id": ref.ticket_id}
    await connection.execute(CHANGE, {**where, "clocks": clocks, "status": status})
    await connection.execute(
        insert(TicketEvent).values(
            tenant_id=ref.tenant_id,
            id=event_id or new_id(),
            ticket_id=ref.ticket_id,
            type=done,
            clock=clock,
            actor_id=actor[1],
            reason_ct=reason_ct,
        )
    )
    await audit.record(
        connection,
        ref.tenant_id,
        f"ticket.{done}",
        actor=actor,
        subject=("ticket", ref.ticket_id),
        detail={"clock": clock} if clock else {},
    )
