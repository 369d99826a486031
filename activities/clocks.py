"""What a ticket's clock does when its time comes. Each step is one transaction and is applied once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.resources import Resources
from helios import audit, tickets
from helios.shared_counts import CLOCK_ALARMS
from helios.ticket_clocks import rung, ticking, with_states
from schema.clocks import Ring, TicketRef, Ticking

STARTED = text(
    "UPDATE tickets SET clock_started_at = now() WHERE tenant_id = :tenant_id AND id = :id AND clock_started_at IS NULL"
)


async def look_at_ticket(resources: Resources, ref: TicketRef) -> Ticking:
    """Also says that the clock runs: until then the ticket's row asks for one."""
    async with resources.database.tenant(ref.tenant_id) as connection:
        row = await tickets.locked(connection, ref)
        if (await connection.execute(STARTED, {"tenant_id": ref.tenant_id, "id": ref.ticket_id})).rowcount:
            subject = ("ticket", ref.ticket_id)
            await audit.record(
                connection, ref.tenant_id, "ticket.clock_started", actor=("system", None), subject=subject
            )
        return _ticking(row, with_states(row.clocks))


async def ring(resources: Resources, work: Ring) -> Ticking:
    """Warns, or tells the breach: in the ticket's history and the audit log, once."""
    async with resources.database.tenant(work.ref.tenant_id) as connection:
        row = await tickets.locked(connection, work.ref)
        clocks = with_states(row.clocks)
        after = rung(clocks, work.alarm) if row.status == "open" else None
        if after is not None:
            await _store(connection, work, after)
    if after is not None:
        await CLOCK_ALARMS.count(resources.frames.valkey, row.kind, work.alarm.kind)
    return _ticking(row, after or clocks)


async def _store(connection: AsyncConnection, work: Ring, after: list[dict[str, Any]]) -> None:
    done = "clock_warned" if work.alarm.kind == "warning" else "clock_breached"
    await tickets.change(connection, work.ref, done, clocks=after, clock=work.alarm.clock, actor=("system", None))


def _ticking(row: Any, clocks: list[dict[str, Any]]) -> Ticking:
    return ticking(row.status, clocks, row.received_at)
