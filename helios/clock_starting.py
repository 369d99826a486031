"""Starts the clocks of tickets. The ticket's own row says that its clock has yet to start (`clock_started_at`), so a
start that was lost is made up for, and the same ticket never has two.
"""

from __future__ import annotations

from sqlalchemy import text
from temporalio.client import Client
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError

from helios.database import Database
from helios.settings import Settings
from helios.temporal import CALL_TIMEOUT
from schema.clocks import CLOCK_WORKFLOW, TicketRef, clock_workflow_id
from schema.visibility import STATUS, TENANT

MOST = 200

TENANTS = text("SELECT id FROM tenants WHERE deleted_at IS NULL")
WAITING = text(
    "SELECT id FROM tickets WHERE tenant_id = :tenant_id AND clock_started_at IS NULL AND status = 'open' "
    "ORDER BY id LIMIT :most"
)


async def start_clocks(database: Database, client: Client, settings: Settings) -> int:
    """One round over all tenants. Returns for how many tickets a clock was asked for."""
    async with database.platform() as connection:
        tenants = list(await connection.scalars(TENANTS))
    started = 0
    for tenant_id in tenants:
        async with database.tenant(tenant_id) as connection:
            tickets = list(await connection.scalars(WAITING, {"tenant_id": tenant_id, "most": MOST}))
        for ticket_id in tickets:
            await start_clock(client, settings, TicketRef(tenant_id, ticket_id))
        started += len(tickets)
    return started


async def start_clock(client: Client, settings: Settings, ref: TicketRef) -> None:
    shown = [SearchAttributePair(TENANT, str(ref.tenant_id)), SearchAttributePair(STATUS, "open")]
    try:
        await client.start_workflow(
            CLOCK_WORKFLOW,
            ref,
            id=clock_workflow_id(ref),
            task_queue=settings.temporal_task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            search_attributes=TypedSearchAttributes(shown),
            static_summary="The regulated deadlines of a ticket",
            rpc_timeout=CALL_TIMEOUT,
        )
    except WorkflowAlreadyStartedError:
        return
