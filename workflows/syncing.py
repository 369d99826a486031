"""Knowledge from the web: each registered page whose time has come is looked at, and what has changed is ingested."""

from __future__ import annotations

from contextlib import suppress

from temporalio import workflow
from temporalio.exceptions import WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from activities.signatures import KnowledgeSteps
    from schema.ingestion import INGESTION_WORKFLOW, SYNC_WORKFLOW, VersionRef, ingestion_workflow_id
    from schema.privacy import TenantRef
    from schema.steps import tenant_of_workflow
    from workflows.steps import run_batch_step

HISTORY_EVENTS_MAX = 2_000


@workflow.defn(name=SYNC_WORKFLOW)
class SyncWorkflow:
    @workflow.run
    async def run(self) -> None:
        """Started by a schedule, or when something is registered; the id names the tenant."""
        ref, looked, changed = TenantRef(tenant_of_workflow(workflow.info().workflow_id)), 0, 0
        while (synced := await run_batch_step(KnowledgeSteps.sync_next_page, ref)).found:
            looked += 1
            if synced.version is not None:
                changed += 1
                await _ingest(synced.version)
            workflow.set_current_details(f"{looked} looked at, {changed} changed")
            if workflow.info().get_current_history_length() > HISTORY_EVENTS_MAX:
                workflow.continue_as_new()


async def _ingest(version: VersionRef) -> None:
    with suppress(WorkflowAlreadyStartedError):  # a worker has seen that the version waits
        await workflow.start_child_workflow(
            INGESTION_WORKFLOW,
            version,
            id=ingestion_workflow_id(version),
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            static_summary="A changed page becomes passages that wait for review",
        )
