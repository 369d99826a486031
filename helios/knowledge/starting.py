"""Starts the workflows of knowledge. A version's own row says that there is work, so a start that was lost is made up
for: the same workflow id never runs twice at once, and each step finds its work done.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDConflictPolicy

from helios.database import Database
from helios.settings import Settings
from helios.temporal import CALL_TIMEOUT
from schema.ingestion import (
    INGESTION_WORKFLOW,
    PUBLICATION_WORKFLOW,
    SYNC_WORKFLOW,
    Publish,
    VersionRef,
    ingestion_workflow_id,
    publication_workflow_id,
    sync_id,
)
from schema.visibility import TENANT

# A running ingestion shows life with each batch, which is many times a minute.
QUIET = timedelta(seconds=30)
MOST = 200

TENANTS = text("SELECT id FROM tenants WHERE deleted_at IS NULL")
WAITING = text(
    """
    SELECT source_id, version, status, publish_at FROM knowledge_versions
    WHERE tenant_id = :tenant_id AND updated_at < now() - CAST(:quiet AS interval)
      AND (status = 'ingesting'
           OR (status = 'pending_review' AND publish_at < now() - CAST(:quiet AS interval)))
    ORDER BY updated_at LIMIT :most
    """
)


async def start_ingestion(client: Client, settings: Settings, ref: VersionRef) -> None:
    summary = "A document becomes passages that wait for review"
    await _start(client, settings, INGESTION_WORKFLOW, ref, ingestion_workflow_id(ref), ref.tenant_id, summary)


async def start_sync(client: Client, settings: Settings, tenant_id: UUID) -> None:
    """Looks at what is due now. A run that is on its way sees it too."""
    summary = "Pages and sitemaps are looked at"
    await client.start_workflow(
        SYNC_WORKFLOW,
        id=sync_id(tenant_id),
        task_queue=settings.temporal_batch_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        search_attributes=TypedSearchAttributes([SearchAttributePair(TENANT, str(tenant_id))]),
        static_summary=summary,
        rpc_timeout=CALL_TIMEOUT,
    )


async def start_publication(client: Client, settings: Settings, work: Publish) -> None:
    name, tenant_id = publication_workflow_id(work.ref), work.ref.tenant_id
    summary = "An approved version goes live at its time"
    await _start(client, settings, PUBLICATION_WORKFLOW, work, name, tenant_id, summary)


async def start_what_waits(database: Database, client: Client, settings: Settings, quiet: timedelta = QUIET) -> int:
    """One round over all tenants. Returns for how many versions a workflow was asked for."""
    async with database.platform() as connection:
        tenants = list(await connection.scalars(TENANTS))
    started = 0
    for tenant_id in tenants:
        async with database.tenant(tenant_id) as connection:
            rows = (await connection.execute(WAITING, {"tenant_id": tenant_id, "quiet": quiet, "most": MOST})).all()
        for row in rows:
            ref = VersionRef(tenant_id, row.source_id, row.version)
            if row.status == "ingesting":
                await start_ingestion(client, settings, ref)
            else:
                await start_publication(client, settings, Publish(ref, row.publish_at))
            started += 1
    return started


async def _start(
    client: Client, settings: Settings, workflow: str, argument: Any, workflow_id: str, tenant_id: UUID, summary: str
) -> None:
    await client.start_workflow(
        workflow,
        argument,
        id=workflow_id,
        task_queue=settings.temporal_batch_queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        search_attributes=TypedSearchAttributes([SearchAttributePair(TENANT, str(tenant_id))]),
        static_summary=summary,
        rpc_timeout=CALL_TIMEOUT,
    )
