"""A customer's request for their data: the archive is made, and taken away again when its time has passed."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.signatures import PrivacySteps
    from schema.privacy import ACCESS_WORKFLOW, RequestRef
    from workflows.steps import run_batch_step


@workflow.defn(name=ACCESS_WORKFLOW)
class AccessWorkflow:
    @workflow.run
    async def run(self, ref: RequestRef) -> None:
        workflow.set_current_details("writing the archive")
        until = await run_batch_step(PrivacySteps.write_export, ref)
        left = until - workflow.now()
        if left > timedelta(0):
            workflow.set_current_details(f"can be fetched until {until.isoformat()}")
            await workflow.sleep(left, summary="until the archive expires")
        await run_batch_step(PrivacySteps.expire_export, ref)
        workflow.set_current_details("expired")
