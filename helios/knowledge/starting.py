"""Starts the workflows of knowledge. A version's own row says that there is work, so a start that was lost is made up
for: the same workflow id never runs twice at once, and each step finds its work done.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from temporalio.client import Client

from helios.database import Database
from helios.every_tenant import ask_every_tenant
from helios.settings import Settings
from helios.temporal import start_batch
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
from schema.knowledge_gaps import GAPS_WORKFLOW, gaps_id

# A running ingestion shows life with each batch, which is many times a minute.
QUIET = timedelta(seconds=30)

WAITING = """
    SELECT source_id, version, status, publish_at FROM knowledge_versions
    WHERE tenant_id = $1 AND updated_at < now() - CAST($2 ->> 'quiet' AS interval)
      AND (status = 'ingesting'
           OR (status = 'pending_review' AND publish_at < now() - CAST($2 ->> 'quiet' AS interval)))
    ORDER BY updated_at LIMIT 200
"""


async def start_ingestion(client: Client, settings: Settings, ref: VersionRef) -> None:
    summary = "A document becomes passages that wait for review"
    name = ingestion_workflow_id(ref)
    await start_batch(client, settings, INGESTION_WORKFLOW, ref, id=name, tenant_id=ref.tenant_id, summary=summary)


async def start_publication(client: Client, settings: Settings, work: Publish) -> None:
    summary = "An approved version goes live at its time"
    name, tenant_id = publication_workflow_id(work.ref), work.ref.tenant_id
    await start_batch(client, settings, PUBLICATION_WORKFLOW, work, id=name, tenant_id=tenant_id, summary=summary)


async def start_sync(client: Client, settings: Settings, tenant_id: UUID) -> None:
    """Looks at what is due now. A run that is on its way sees it too."""
    summary = "Pages and sitemaps are looked at"
    name = sync_id(tenant_id)
    await start_batch(client, settings, SYNC_WORKFLOW, None, id=name, tenant_id=tenant_id, summary=summary)


async def start_gaps(client: Client, settings: Settings, tenant_id: UUID) -> None:
    summary = "What nothing answered is grouped"
    name = gaps_id(tenant_id)
    await start_batch(client, settings, GAPS_WORKFLOW, None, id=name, tenant_id=tenant_id, summary=summary)


async def start_what_waits(database: Database, client: Client, settings: Settings, quiet: timedelta = QUIET) -> int:
    """One round over all tenants. Returns for how many versions a workflow was asked for."""
    waiting = await ask_every_tenant(database, WAITING, {"quiet": f"{quiet.total_seconds()} s"})
    for found in waiting:
        row = found.row
        ref = VersionRef(found.tenant_id, UUID(row["source_id"]), row["version"])
        if row["status"] == "ingesting":
            await start_ingestion(client, settings, ref)
        else:
            await start_publication(client, settings, Publish(ref, datetime.fromisoformat(row["publish_at"])))
    return len(waiting)
