"""A tenant's examples become a model that waits for a second person, on the queue of work that nobody waits for."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.signatures import IntentSteps
    from schema.intents import FAILURES, INTENT_TRAINING_WORKFLOW, Encoded, FailTraining, IntentsRef, training_queue
    from workflows.steps import run_batch_step, run_beating_step

TRAIN_WITHIN = timedelta(minutes=70)
"""More than the process that trains may take."""


@workflow.defn(name=INTENT_TRAINING_WORKFLOW)
class IntentTrainingWorkflow:
    """Encode chunk by chunk, then train. A set's size is limited, so that its chunks fit into one history: about 30."""

    @workflow.run
    async def run(self, ref: IntentsRef) -> None:
        try:
            await self._train(ref)
        except ActivityError as error:
            code = _failure(error)
            workflow.set_current_details(f"failed: {code}")
            await run_batch_step(IntentSteps.fail_training, FailTraining(ref, code))

    async def _train(self, ref: IntentsRef) -> None:
        encoded: Encoded = await run_beating_step(IntentSteps.encode_examples, ref)
        while encoded.done < encoded.total:
            workflow.set_current_details(f"encoding: {encoded.done} of {encoded.total} examples")
            encoded = await run_beating_step(IntentSteps.encode_examples, ref)
        workflow.set_current_details(f"training on {encoded.total} examples")
        await run_beating_step(IntentSteps.train_intents, ref, TRAIN_WITHIN, training_queue(workflow.info().task_queue))
        workflow.set_current_details("waits for a second person")


def _failure(error: ActivityError) -> str:
    cause = error.cause
    return cause.type if isinstance(cause, ApplicationError) and cause.type in FAILURES else "internal"
