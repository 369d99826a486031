"""A suite case by case, on the queue of work that nobody waits for."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.signatures import EvaluationSteps
    from schema.evaluations import EVALUATION_WORKFLOW, Evaluated, EvaluationRef
    from workflows.steps import BATCH_PATIENT, BATCH_STEP_WITHIN, HEARTBEAT, run_batch_step

GIVEN_UP_AFTER = timedelta(hours=1)
"""Where no provider answers for so long, that is told of instead of being tried for ever."""


@workflow.defn(name=EVALUATION_WORKFLOW)
class EvaluationWorkflow:
    """A suite has at most 200 cases and each step takes up one at least, which one history holds."""

    @workflow.run
    async def run(self, ref: EvaluationRef) -> None:
        try:
            await self._evaluate(ref)
        except ActivityError:
            workflow.set_current_details("failed")
            await run_batch_step(EvaluationSteps.fail_evaluation, ref)

    async def _evaluate(self, ref: EvaluationRef) -> None:
        while True:
            looked: Evaluated = await workflow.execute_activity_method(
                EvaluationSteps.evaluate_next,
                ref,
                start_to_close_timeout=BATCH_STEP_WITHIN,
                schedule_to_close_timeout=GIVEN_UP_AFTER,
                heartbeat_timeout=HEARTBEAT,
                retry_policy=BATCH_PATIENT,
                summary="the next cases",
            )
            workflow.set_current_details(f"{looked.done} of {looked.total} answers")
            if looked.done >= looked.total:
                return
