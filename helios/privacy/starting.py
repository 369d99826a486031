"""Starts the workflows of privacy. A request's own row says that there is work, so a start that was lost is made up
for: the same workflow id never runs twice at once, and each step finds its work done.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from helios.database import Database
from helios.settings import Settings
from helios.temporal import CALL_TIMEOUT
from schema.privacy import ACCESS_WORKFLOW, ERASURE_WORKFLOW, RequestKind, RequestRef, request_workflow_id
from schema.visibility import TENANT

QUIET = timedelta(seconds=30)
WORKFLOWS: dict[RequestKind, tuple[str, str]] = {
    "access": (ACCESS_WORKFLOW, "A customer gets their data"),
    "erasure": (ERASURE_WORKFLOW, "A customer is erased"),
}
TENANTS = text("SELECT id FROM tenants WHERE deleted_at IS NULL")
WAITING = text(
    "SELECT id, kind FROM privacy_requests WHERE tenant_id = :tenant_id AND status IN ('running', 'held') "
    "AND updated_at < now() - CAST(:quiet AS interval) ORDER BY updated_at LIMIT 200"
)
HELD = text(
    "SELECT id FROM privacy_requests WHERE tenant_id = :tenant_id AND customer_id = :customer_id AND status = 'held'"
)


async def start(client: Client, settings: Settings, ref: RequestRef, kind: RequestKind) -> None:
    """Starts the request's workflow where none runs."""
    workflow, summary = WORKFLOWS[kind]
    await client.start_workflow(
        workflow,
        ref,
        id=request_workflow_id(ref, kind),
        task_queue=settings.temporal_batch_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        search_attributes=TypedSearchAttributes([SearchAttributePair(TENANT, str(ref.tenant_id))]),
        static_summary=summary,
        rpc_timeout=CALL_TIMEOUT,
    )


async def start_what_waits(database: Database, client: Client, settings: Settings, quiet: timedelta = QUIET) -> int:
    """One round over all tenants. Returns for how many requests a workflow was asked for."""
    async with database.platform() as connection:
        tenants = list(await connection.scalars(TENANTS))
    started = 0
    for tenant_id in tenants:
        async with database.tenant(tenant_id) as connection:
            rows = (await connection.execute(WAITING, {"tenant_id": tenant_id, "quiet": quiet})).all()
        for row in rows:
            await start(client, settings, RequestRef(tenant_id, row.id), row.kind)
        started += len(rows)
    return started


async def look_again(database: Database, client: Client, tenant_id: UUID, customer_id: UUID) -> None:
    """A hold on the customer has gone: what it held looks again. One that is not told looks by itself, hourly."""
    async with database.tenant(tenant_id) as connection:
        held = list(await connection.scalars(HELD, {"tenant_id": tenant_id, "customer_id": customer_id}))
    for request_id in held:
        handle = client.get_workflow_handle(request_workflow_id(RequestRef(tenant_id, request_id), "erasure"))
        try:
            await handle.signal("look_again", rpc_timeout=CALL_TIMEOUT)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
