"""Tickets with their regulated clocks: what is due when, what happened, and what people do about it."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio.service import RPCError

from api import rule_examples as examples
from api.authentication import caller
from api.cleaning import clean
from api.deciding import deciding
from api.described import described
from api.idempotency import IdempotentRoute, resource_id
from api.pagination import Cursor, Limit, page, position, read_cursor
from api.problems import not_found
from api.rule_models import ClockExtension, ClockMet, TicketResolution
from api.state import Services, State
from helios import tickets
from helios.crypto import Keys, Shredded
from helios.refusals import Refused
from helios.temporal import CALL_TIMEOUT
from helios.ticket_clocks import Clocks, extended, met, with_states
from helios.times import moment
from helios.tokens import Identity
from schema.clocks import TicketRef, clock_workflow_id

log = structlog.get_logger()
router = APIRouter(prefix="/v1/tickets", tags=["Tickets"], route_class=IdempotentRoute)

Reader = Annotated[Identity, Depends(caller("tickets.read"))]
Agent = Annotated[Identity, Depends(caller("tickets.change"))]
Kind = Annotated[str | None, Query(max_length=64, pattern="^[a-z_]+$", description="For example `complaint`")]
REASON = "ticket_events.reason_ct"

ONE = text("SELECT * FROM tickets WHERE tenant_id = :tenant_id AND id = :id")
LIST = text(
    """
    SELECT * FROM tickets WHERE tenant_id = :tenant_id
      AND (CAST(:status AS text) IS NULL OR status = :status)
      AND (CAST(:kind AS text) IS NULL OR kind = :kind)
      AND (CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, CAST(:after AS uuid)))
    ORDER BY created_at DESC, id DESC LIMIT :most
    """
)
HISTORY = text(
    "SELECT * FROM ticket_events WHERE tenant_id = :tenant_id AND ticket_id = :id ORDER BY created_at, id LIMIT 200"
)


@router.get("", **described(examples.page(examples.TICKET), "forbidden", "invalid_cursor", about="The tickets"))
async def list_tickets(
    services: State,
    reader: Reader,
    status: Literal["open", "resolved"] | None = None,
    kind: Kind = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The tenant's tickets, newest first."""
    where = {"tenant_id": reader.tenant_id, "status": status, "kind": kind, "most": limit + 1}
    async with services.database.tenant(reader.tenant_id) as connection:
        rows = (await connection.execute(LIST, {**where, **position(read_cursor(cursor))})).all()
    return JSONResponse(page(rows, limit, _ticket))


@router.get("/{ticket_id}", **described(examples.TICKET_WHOLE, "not_found", about="The ticket"))
async def read_ticket(ticket_id: UUID, services: State, reader: Reader) -> Response:
    """A ticket with its clocks and its history."""
    async with services.database.tenant(reader.tenant_id) as connection:
        return await _shown(services, connection, reader, ticket_id)


@router.post(
    "/{ticket_id}/resolve",
    **described(examples.TICKET_WHOLE, "not_found", "ticket_conflict", body={"reason": "Refunded."}, about="Resolved"),
)
async def resolve_ticket(
    ticket_id: UUID, body: TicketResolution, request: Request, services: State, agent: Agent
) -> Response:
    """Ends the ticket: its clocks stop. A breach stays in its history."""
    return await _change(services, request, agent, ticket_id, "resolved", body.reason, None)


@router.post(
    "/{ticket_id}/meet",
    **described(
        examples.TICKET_WHOLE,
        "not_found",
        "ticket_conflict",
        body={"clock": "acknowledgement", "reason": "Sent by post."},
        about="The clock stands still",
    ),
)
async def meet_clock(ticket_id: UUID, body: ClockMet, request: Request, services: State, agent: Agent) -> Response:
    """What one of the clocks asks for was done; the others run on."""
    return await _change(services, request, agent, ticket_id, "clock_met", body.reason, body)


@router.post(
    "/{ticket_id}/extend",
    **described(
        examples.TICKET_WHOLE,
        "not_found",
        "ticket_conflict",
        body={"clock": "investigation", "reason": "The merchant has not answered.", "provisional_credit": True},
        about="The longer period runs",
    ),
)
async def extend_clock(
    ticket_id: UUID, body: ClockExtension, request: Request, services: State, agent: Agent
) -> Response:
    """Goes over to a longer period where the regulation has one. It counts from the receipt of the message, too."""
    return await _change(services, request, agent, ticket_id, "clock_extended", body.reason, body)


async def _change(
    services: Services,
    request: Request,
    agent: Identity,
    ticket_id: UUID,
    done: str,
    reason: str,
    body: ClockMet | ClockExtension | None,
) -> Response:
    ref, event_id = TicketRef(agent.tenant_id, ticket_id), resource_id(request)
    sealed = await _seal(services, ref, clean(reason), event_id)
    async with deciding(services, agent) as connection:
        row = await tickets.locked(connection, ref)
        if row.status != "open":
            raise Refused("ticket_conflict", f"The ticket is {row.status}.")
        clocks = with_states(row.clocks)
        await tickets.change(
            connection,
            ref,
            done,
            clocks=await _after(connection, clocks, body),
            actor=("user", agent.id),
            clock=body.clock if body is not None else None,
            status="resolved" if body is None else None,
            event_id=event_id,
            reason_ct=sealed,
        )
        answer = await _shown(services, connection, agent, ticket_id)
    await _wake(services, ref)
    return answer


async def _seal(services: Services, ref: TicketRef, reason: str, event_id: UUID) -> bytes:
    """Under the customer's key, so that it goes when they are erased; what is written after that is the bank's own."""
    keys = await services.keyring.ticket(ref.tenant_id, ref.ticket_id)
    try:
        return keys.seal_text(reason, REASON, event_id)
    except Shredded:
        return (await services.keyring.tenant(ref.tenant_id)).seal_text(reason, REASON, event_id)


def _reason(row: Any, keys: Keys) -> str | None:
    try:
        return keys.open_text(row.reason_ct, REASON, row.id) if row.reason_ct is not None else None
    except Shredded:
        return None


async def _after(connection: AsyncConnection, clocks: Clocks, body: ClockMet | ClockExtension | None) -> Clocks:
    if body is None:
        return clocks
    if isinstance(body, ClockMet):
        return met(clocks, body.clock)
    now = (await connection.execute(text("SELECT now()"))).scalar_one()
    return extended(clocks, body.clock, provisional_credit=body.provisional_credit, now=now)


async def _wake(services: Services, ref: TicketRef) -> None:
    """Best effort: a clock that is not told finds what has changed when its next alarm is due."""
    handle = services.conversations.client.get_workflow_handle(clock_workflow_id(ref))
    try:
        await handle.signal("ticket_changed", rpc_timeout=CALL_TIMEOUT)
    except (RPCError, OSError) as error:
        log.info("the clock hears of it at its next alarm", error=type(error).__name__)


async def _shown(services: Services, connection: AsyncConnection, reader: Identity, ticket_id: UUID) -> Response:
    where = {"tenant_id": reader.tenant_id, "id": ticket_id}
    row = (await connection.execute(ONE, where)).one_or_none()
    if row is None:
        not_found()
    keys = await services.keyring.ticket(reader.tenant_id, ticket_id)
    events = (await connection.execute(HISTORY, where)).all()
    return JSONResponse({**_ticket(row), "history": [_opened(row), *(_event(each, keys) for each in events)]})


def _ticket(row: Any) -> dict[str, Any]:
    return {
        **{name: getattr(row, name) for name in ("kind", "status", "priority", "situation", "turn")},
        **{name: str(getattr(row, name)) for name in ("id", "conversation_id")},
        **{name: moment(getattr(row, name)) for name in ("received_at", "created_at", "closed_at", "clock_started_at")},
        "clocks": with_states(row.clocks),
    }


def _opened(row: Any) -> dict[str, Any]:
    """Where the history begins: the ticket itself says when."""
    return {"type": "opened", "clock": None, "actor_id": None, "reason": None, "at": moment(row.created_at)}


def _event(row: Any, keys: Keys) -> dict[str, Any]:
    return {
        "type": row.type,
        "clock": row.clock,
        "actor_id": str(row.actor_id) if row.actor_id is not None else None,
        "reason": _reason(row, keys),
        "at": moment(row.created_at),
    }
