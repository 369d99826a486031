"""Starts the clocks of tickets. The ticket's own row says that its clock has yet to start (`clock_started_at`), so a
start that was lost is made up for, and the same ticket never has two.
"""

from __future__ import annotations

from uuid import UUID

from temporalio.client import Client
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError

from helios.database import Database
from helios.every_tenant import ask_every_tenant
from helios.settings import Settings
from helios.temporal import CALL_TIMEOUT
from schema.clocks import CLOCK_WORKFLOW, TicketRef, clock_workflow_id
from schema.visibility import STATUS, TENANT

WAITING = "SELECT id FROM tickets WHERE tenant_id = $1 AND clock_started_at IS NULL AND status = 'open' LIMIT 200"


async def start_clocks(database: Database, client: Client, settings: Settings) -> int:
    """One round over all tenants. Returns for how many tickets a clock was asked for."""
    waiting = await ask_every_tenant(database, WAITING)
    for found in waiting:
        await start_clock(client, settings, TicketRef(found.tenant_id, UUID(found.row["id"])))
    return len(waiting)


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
