"""Starts the workflow of a change. Its row says that there is work, so a start that was lost is made up for."""

from __future__ import annotations

from uuid import UUID

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from helios.database import Database
from helios.every_tenant import ask_every_tenant
from helios.settings import Settings
from helios.temporal import CALL_TIMEOUT, start_batch
from schema.embedders import EMBEDDER_CHANGE_WORKFLOW, ChangeRef, EmbedMore, embedder_change_workflow_id

WAITING = "SELECT id FROM embedder_changes WHERE tenant_id = $1 AND cleaned_at IS NULL LIMIT 50"


async def start_change(client: Client, settings: Settings, ref: ChangeRef) -> None:
    summary = "Knowledge is embedded anew, then searched so"
    name, work = embedder_change_workflow_id(ref), EmbedMore(ref)
    await start_batch(
        client, settings, EMBEDDER_CHANGE_WORKFLOW, work, id=name, tenant_id=ref.tenant_id, summary=summary
    )


async def wake_change(client: Client, ref: ChangeRef) -> None:
    """It looks again now, instead of when its embedder said. One that is over has nothing to look at."""
    handle = client.get_workflow_handle(embedder_change_workflow_id(ref))
    try:
        await handle.signal("wake", rpc_timeout=CALL_TIMEOUT)
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise


async def start_changes(database: Database, client: Client, settings: Settings) -> int:
    """One round over all tenants. Returns for how many changes a workflow was asked for."""
    waiting = await ask_every_tenant(database, WAITING)
    for found in waiting:
        await start_change(client, settings, ChangeRef(found.tenant_id, UUID(found.row["id"])))
    return len(waiting)
