"""The agents' side: the queue, who holds what, and decisions. Each is an update of the escalation's workflow."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio.client import WorkflowUpdateHandle, WorkflowUpdateStage
from temporalio.service import RPCError, RPCStatusCode

from api import conversation_examples as examples
from api.authentication import caller
from api.described import ID, described
from api.idempotency import IdempotentRoute, resource_id
from api.models import Assignment, NewDecision, Nothing
from api.pagination import Cursor, Limit, page, read_cursor
from api.presentation import escalation_json
from api.problems import Problem, not_found
from api.state import Services, State
from api.waiting import within
from helios.crypto import Keys
from helios.detection import secrets
from helios.ids import new_id
from helios.tokens import Identity
from schema.steps import Claim, Decide, escalation_workflow_id
from schema.tables import Decision

router = APIRouter(prefix="/v1/escalations", tags=["Escalations"], route_class=IdempotentRoute)

Reader = Annotated[Identity, Depends(caller("escalations.read"))]
Agent = Annotated[Identity, Depends(caller("escalations.decide"))]
CONTENT, NOTE = "decisions.content_ct", "decisions.note_ct"
NEEDS_CONTENT = ("edit", "respond")
UPDATE_WITHIN_S = 2.5
LOOK_AGAIN_S = 0.1
DECISIONS = {
    "approve": {"action": "approve"},
    "edit": {"action": "edit", "content": "I have opened a claim for you; you will hear from us in 10 business days."},
    "reject": {"action": "reject", "note": "It promises what we cannot keep."},
    "respond": {"action": "respond", "content": "My name is Alex, and I am looking into it."},
    "hand_back": {"action": "hand_back"},
}

COLUMNS = """
    SELECT escalations.*, threads.customer_id, decisions.action AS decision_action,
           coalesce(opened.tickets, '[]'::jsonb) AS tickets
    FROM escalations
    JOIN threads ON threads.tenant_id = escalations.tenant_id AND threads.id = escalations.conversation_id
    LEFT JOIN decisions ON decisions.tenant_id = escalations.tenant_id AND decisions.id = escalations.decision_id
    -- Those that it was opened with, its own situation's first, and those that became due while it waited.
    LEFT JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_object('id', tickets.id, 'kind', tickets.kind, 'clocks', tickets.clocks)
            ORDER BY tickets.turn, tickets.situation IS DISTINCT FROM escalations.situation, tickets.id) AS tickets
        FROM tickets WHERE tickets.tenant_id = escalations.tenant_id
          AND tickets.conversation_id = escalations.conversation_id AND tickets.turn >= escalations.turn
          AND NOT EXISTS (
            SELECT FROM escalations AS later WHERE later.tenant_id = escalations.tenant_id
              AND later.conversation_id = escalations.conversation_id
              AND later.turn > escalations.turn AND later.turn <= tickets.turn)
    ) AS opened ON true
    WHERE escalations.tenant_id = :tenant_id
"""
ONE = text(f"{COLUMNS} AND escalations.id = :id")
LIST = text(
    f"""{COLUMNS}
      AND (CAST(:status AS text) IS NULL OR escalations.status = :status)
      AND (CAST(:queue AS text) IS NULL OR escalations.queue = :queue)
      AND (CAST(:priority AS text) IS NULL OR escalations.priority = :priority)
      AND (CAST(:at AS timestamptz) IS NULL OR (escalations.opened_at, escalations.id) < (:at, CAST(:after AS uuid)))
    ORDER BY escalations.opened_at DESC, escalations.id DESC LIMIT :most
    """
)
Status = Literal["open", "claimed", "decided", "closed"]
PriorityName = Literal["P0", "P1", "P2", "P3", "P4"]
QueueName = Annotated[str | None, Query(max_length=64)]


@router.get("", **described(examples.page(examples.ESCALATION), "forbidden", "invalid_cursor", about="The escalations"))
async def list_escalations(
    services: State,
    reader: Reader,
    status: Status | None = None,
    queue: QueueName = None,
    priority: PriorityName | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The tenant's escalations, newest first."""
    after = read_cursor(cursor)
    where = {"status": status, "queue": queue, "priority": priority, "most": limit + 1}
    position = {"at": after[0] if after else None, "after": after[1] if after else None}
    async with services.database.tenant(reader.tenant_id) as connection:
        rows = (await connection.execute(LIST, {"tenant_id": reader.tenant_id, **where, **position})).all()
    keys = await services.keyring.customers(reader.tenant_id, (row.customer_id for row in rows))
    return JSONResponse(page(rows, limit, lambda row: _with_tickets(row, keys[row.customer_id]), at="opened_at"))


@router.get("/{escalation_id}", **described(examples.ESCALATION, "not_found", about="The escalation"))
async def read_escalation(escalation_id: UUID, services: State, reader: Reader) -> Response:
    return await _shown(services, reader, escalation_id)


@router.post(
    "/{escalation_id}/claim",
    **described(
        {**examples.ESCALATION, "status": "claimed", "claimed_by": ID},
        "claimed_by_another",
        "not_found",
        "escalation_closed",
        "workflow_unavailable",
        body={},
        about="The escalation, now yours",
    ),
)
async def claim_escalation(escalation_id: UUID, services: State, agent: Agent, body: Nothing | None = None) -> Response:
    """Takes the escalation. One that somebody else holds only a supervisor can take."""
    return await _update(services, agent, escalation_id, "claim", Claim(agent.id, agent.id, _supervises(agent)))


@router.post(
    "/{escalation_id}/release",
    **described(
        examples.ESCALATION,
        "claimed_by_another",
        "not_found",
        "escalation_closed",
        "workflow_unavailable",
        body={},
        about="The escalation, open again",
    ),
)
async def release_escalation(
    escalation_id: UUID, services: State, agent: Agent, body: Nothing | None = None
) -> Response:
    """Gives the escalation back to its queue."""
    return await _update(services, agent, escalation_id, "release", Claim(agent.id, None, _supervises(agent)))


@router.post(
    "/{escalation_id}/assign",
    **described(
        {**examples.ESCALATION, "status": "claimed", "claimed_by": ID},
        "forbidden",
        "not_found",
        "escalation_closed",
        "workflow_unavailable",
        body={"agent_id": ID},
        about="The escalation, now theirs",
    ),
)
async def assign_escalation(
    escalation_id: UUID,
    body: Assignment,
    services: State,
    supervisor: Annotated[Identity, Depends(caller("escalations.assign"))],
) -> Response:
    """A supervisor gives the escalation to an agent."""
    async with services.database.tenant(supervisor.tenant_id) as connection:
        await _require(connection, supervisor, escalation_id)
        found = await connection.execute(
            text("SELECT 1 FROM users WHERE tenant_id = :tenant_id AND id = :id AND deleted_at IS NULL"),
            {"tenant_id": supervisor.tenant_id, "id": body.agent_id},
        )
        if found.one_or_none() is None:
            raise Problem("invalid_request", errors=[{"pointer": "/agent_id", "detail": "no such member of staff"}])
    return await _update(services, supervisor, escalation_id, "claim", Claim(supervisor.id, body.agent_id, True))


@router.post(
    "/{escalation_id}/decision",
    **described(
        {**examples.ESCALATION, "status": "decided", "decision": "approve"},
        "already_decided",
        "claimed_by_another",
        "no_draft",
        "four_eyes",
        "blocked_by_policy",
        "not_found",
        "escalation_closed",
        "workflow_unavailable",
        bodies=DECISIONS,
        about="The escalation as decided",
    ),
)
async def decide(escalation_id: UUID, body: NewDecision, request: Request, services: State, agent: Agent) -> Response:
    """Approve, edit or reject the draft; respond in your own words; resolve, or hand back to the AI."""
    if (body.content is None) == (body.action in NEEDS_CONTENT):
        wrong = "is required for this action" if body.content is None else "belongs to edit and respond only"
        raise Problem("invalid_request", errors=[{"pointer": "/content", "detail": wrong}])
    decision_id = resource_id(request)
    keys = await services.keyring.escalation(agent.tenant_id, escalation_id)
    async with services.database.tenant(agent.tenant_id) as connection:
        await _require(connection, agent, escalation_id)
        await _store(connection, keys, agent, escalation_id, decision_id, body)
    return await _update(services, agent, escalation_id, "decide", Decide(decision_id, body.action, agent.id))


async def _store(
    connection: AsyncConnection,
    keys: Keys,
    agent: Identity,
    escalation_id: UUID,
    decision_id: UUID,
    body: NewDecision,
) -> None:
    """The text goes into the database; the workflow will only see its id."""
    content = secrets.mask(body.content).text if body.content else None
    note = secrets.mask(body.note).text if body.note else None
    await connection.execute(
        insert(Decision)
        .values(
            tenant_id=agent.tenant_id,
            id=decision_id,
            escalation_id=escalation_id,
            action=body.action,
            actor_id=agent.id,
            content_ct=keys.seal_text(content, CONTENT, decision_id) if content else None,
            note_ct=keys.seal_text(note, NOTE, decision_id) if note else None,
        )
        .on_conflict_do_nothing()
    )


async def _update(services: Services, agent: Identity, escalation_id: UUID, name: str, argument: Any) -> Response:
    await (await within(UPDATE_WITHIN_S, _start_update(services, agent, escalation_id, name, argument))).result()
    return await _shown(services, agent, escalation_id)


async def _start_update(
    services: Services, agent: Identity, escalation_id: UUID, name: str, argument: Any
) -> WorkflowUpdateHandle[Any]:
    """The row is there a moment before its workflow, and for ever after it."""
    handle = services.conversations.client.get_workflow_handle(escalation_workflow_id(agent.tenant_id, escalation_id))
    update_id = str(argument.decision_id) if isinstance(argument, Decide) else str(new_id())
    while True:
        async with services.database.tenant(agent.tenant_id) as connection:
            escalation = await _require(connection, agent, escalation_id)
        if escalation.status == "closed":
            raise Problem("escalation_closed")
        try:
            return await handle.start_update(name, argument, id=update_id, wait_for_stage=WorkflowUpdateStage.COMPLETED)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
        await asyncio.sleep(LOOK_AGAIN_S)


async def _shown(services: Services, reader: Identity, escalation_id: UUID) -> Response:
    keys = await services.keyring.escalation(reader.tenant_id, escalation_id)
    async with services.database.tenant(reader.tenant_id) as connection:
        row = await _require(connection, reader, escalation_id)
    return JSONResponse(_with_tickets(row, keys))


def _with_tickets(row: Any, keys: Keys) -> dict[str, Any]:
    """The escalation with the regulated tickets of its turns: a message may be several notices at once."""
    return {**escalation_json(row, keys), "tickets": row.tickets}


async def _require(connection: AsyncConnection, reader: Identity, escalation_id: UUID) -> Any:
    row = (await connection.execute(ONE, {"tenant_id": reader.tenant_id, "id": escalation_id})).one_or_none()
    return row if row is not None else not_found()


def _supervises(agent: Identity) -> bool:
    return not agent.roles.isdisjoint({"supervisor", "admin"})
