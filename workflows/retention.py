"""Retention: what has been kept for as long as its class asks is deleted, batch by batch."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.signatures import PrivacySteps
    from schema.privacy import RETENTION_WORKFLOW, TenantRef
    from schema.steps import tenant_of_workflow
    from workflows.steps import run_batch_step

HISTORY_EVENTS_MAX = 2_000


@workflow.defn(name=RETENTION_WORKFLOW)
class RetentionWorkflow:
    @workflow.run
    async def run(self) -> None:
        """Started by a schedule, whose id names the tenant."""
        ref, deleted = TenantRef(tenant_of_workflow(workflow.info().workflow_id)), 0
        while done := await run_batch_step(PrivacySteps.delete_what_is_due, ref):
            deleted += done
            workflow.set_current_details(f"{deleted} deleted")
            if workflow.info().get_current_history_length() > HISTORY_EVENTS_MAX:
                workflow.continue_as_new()
