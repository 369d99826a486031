"""What nothing answered: collected batch by batch, then grouped, then held against the knowledge of today."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.signatures import GapSteps
    from schema.knowledge_gaps import GAPS_WORKFLOW
    from schema.privacy import TenantRef
    from schema.steps import tenant_of_workflow
    from workflows.steps import run_batch_step


@workflow.defn(name=GAPS_WORKFLOW)
class KnowledgeGapsWorkflow:
    """Each step finds its work done when it is tried again: what is kept stays, and the same questions make the same
    groups. At most `QUESTIONS_KEPT` questions in batches of `BATCH`, which one history holds.
    """

    @workflow.run
    async def run(self) -> None:
        """Started by a schedule or by somebody; its id names the tenant."""
        ref = TenantRef(tenant_of_workflow(workflow.info().workflow_id))
        collected = 0
        while batch := await run_batch_step(GapSteps.collect_questions, ref):
            collected += batch
            workflow.set_current_details(f"{collected} questions looked at")
        groups = await run_batch_step(GapSteps.group_questions, ref)
        still_open = await run_batch_step(GapSteps.look_for_answers, ref)
        workflow.set_current_details(f"{collected} new questions, {groups} groups, {still_open} open")
