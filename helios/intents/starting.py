"""Starts the training of intents. A version's own row says that it is to be trained, so a start that was lost is made
up for: the same workflow id never runs twice at once, and each step finds its work done.
"""

from __future__ import annotations

from datetime import timedelta

from temporalio.client import Client

from helios.database import Database
from helios.every_tenant import ask_every_tenant
from helios.settings import Settings
from helios.temporal import start_batch
from schema.intents import INTENT_TRAINING_WORKFLOW, IntentsRef, intent_training_workflow_id

QUIET = timedelta(seconds=30)
"""A training that runs shows life more often."""
WAITING = """
    SELECT version FROM intent_sets
    WHERE tenant_id = $1 AND status = 'draft' AND updated_at < now() - CAST($2 ->> 'quiet' AS interval) LIMIT 50
"""


async def start_training(client: Client, settings: Settings, ref: IntentsRef) -> None:
    summary = "A tenant's intents are trained"
    name = intent_training_workflow_id(ref)
    await start_batch(
        client, settings, INTENT_TRAINING_WORKFLOW, ref, id=name, tenant_id=ref.tenant_id, summary=summary
    )


async def start_trainings(database: Database, client: Client, settings: Settings, quiet: timedelta = QUIET) -> int:
    """One round over all tenants. Returns for how many versions a workflow was asked for."""
    waiting = await ask_every_tenant(database, WAITING, {"quiet": f"{quiet.total_seconds()} s"})
    for found in waiting:
        await start_training(client, settings, IntentsRef(found.tenant_id, found.row["version"]))
    return len(waiting)
