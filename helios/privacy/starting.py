"""Starts the workflows of privacy. A request's own row says that there is work, so a start that was lost is made up
for: the same workflow id never runs twice at once, and each step finds its work done.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from helios.database import Database
from helios.every_tenant import ask_every_tenant
from helios.settings import Settings
from helios.temporal import CALL_TIMEOUT, start_batch
from schema.privacy import ACCESS_WORKFLOW, ERASURE_WORKFLOW, RequestKind, RequestRef, request_workflow_id

QUIET = timedelta(seconds=30)
WORKFLOWS: dict[RequestKind, tuple[str, str]] = {
    "access": (ACCESS_WORKFLOW, "A customer gets their data"),
    "erasure": (ERASURE_WORKFLOW, "A customer is erased"),
}
WAITING = """
    SELECT id, kind FROM privacy_requests WHERE tenant_id = $1 AND status IN ('running', 'held')
      AND updated_at < now() - CAST($2 ->> 'quiet' AS interval) ORDER BY updated_at LIMIT 200
"""
HELD = text(
    "SELECT id FROM privacy_requests WHERE tenant_id = :tenant_id AND customer_id = :customer_id AND status = 'held'"
)


async def start(client: Client, settings: Settings, ref: RequestRef, kind: RequestKind) -> None:
    """Starts the request's workflow where none runs."""
    workflow, summary = WORKFLOWS[kind]
    name = request_workflow_id(ref, kind)
    await start_batch(client, settings, workflow, ref, id=name, tenant_id=ref.tenant_id, summary=summary)


async def start_what_waits(database: Database, client: Client, settings: Settings, quiet: timedelta = QUIET) -> int:
    """One round over all tenants. Returns for how many requests a workflow was asked for."""
    waiting = await ask_every_tenant(database, WAITING, {"quiet": f"{quiet.total_seconds()} s"})
    for found in waiting:
        await start(client, settings, RequestRef(found.tenant_id, UUID(found.row["id"])), found.row["kind"])
    return len(waiting)


async def look_again(database: Database, client: Client, tenant_id: UUID, customer_id: UUID) -> None:
    """A hold on the customer has gone: what it held looks again. One that is not told looks by itself, hourly."""
    async with database.tenant(tenant_id) as connection:
        held = list(await connection.scalars(HELD, {"tenant_id": tenant_id, "customer_id": customer_id}))
    for request_id in held:
        await wake(client, RequestRef(tenant_id, request_id))


async def wake(client: Client, ref: RequestRef) -> None:
    """Lets an erasure look at the holds at once. One that does not run looks when it is started."""
    handle = client.get_workflow_handle(request_workflow_id(ref, "erasure"))
    try:
        await handle.signal("look_again", rpc_timeout=CALL_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
