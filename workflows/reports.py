"""Reports by schedule: each that is due and not made yet, one after the other."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.signatures import ReportSteps
    from schema.privacy import TenantRef
    from schema.reports import REPORTS_WORKFLOW
    from schema.steps import tenant_of_workflow
    from workflows.steps import run_batch_step

HISTORY_EVENTS_MAX = 2_000


@workflow.defn(name=REPORTS_WORKFLOW)
class ReportsWorkflow:
    @workflow.run
    async def run(self) -> None:
        """Started by a schedule, whose id names the tenant."""
        ref, made = TenantRef(tenant_of_workflow(workflow.info().workflow_id)), 0
        while await run_batch_step(ReportSteps.make_next_report, ref):
            made += 1
            workflow.set_current_details(f"{made} made")
            if workflow.info().get_current_history_length() > HISTORY_EVENTS_MAX:
                workflow.continue_as_new()
