"""The training of intents as a workflow: chunk by chunk, then the training, and an end that is told of."""

from __future__ import annotations

from uuid import uuid4

from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from schema.intents import INTENT_TRAINING_WORKFLOW, intent_training_workflow_id, training_queue
from tests.workflows.conftest import sandboxed
from tests.workflows.scripted_batch import INTENTS, ScriptedTraining
from workflows.intent_training import IntentTrainingWorkflow


async def train(environment: WorkflowEnvironment, steps: ScriptedTraining) -> None:
    queue = f"batch-{uuid4()}"
    async with (
        sandboxed(environment.client, queue, [IntentTrainingWorkflow], [steps.encode_examples, steps.fail_training]),
        sandboxed(environment.client, training_queue(queue), [], [steps.train_intents]),
    ):
        await environment.client.execute_workflow(
            INTENT_TRAINING_WORKFLOW, INTENTS, id=intent_training_workflow_id(INTENTS), task_queue=queue
        )


async def test_every_chunk_is_encoded_before_the_training(skipping: WorkflowEnvironment) -> None:
    steps = ScriptedTraining()
    await train(skipping, steps)
    assert (steps.calls, steps.failed) == (["encode", "encode", "encode", "train"], [])


async def test_a_failure_is_told_by_its_code_or_as_ours(skipping: WorkflowEnvironment) -> None:
    for kind, told in (("too_costly", "too_costly"), ("bug", "internal")):
        steps = ScriptedTraining(ApplicationError("no", type=kind, non_retryable=True))
        await train(skipping, steps)
        assert steps.failed == [told]
