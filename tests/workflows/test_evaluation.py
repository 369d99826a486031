"""A suite as a workflow: step by step, and an end that is told of where it gets no further."""

from __future__ import annotations

from uuid import uuid4

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from schema.evaluations import EVALUATION_WORKFLOW, evaluation_workflow_id
from tests.workflows.conftest import sandboxed
from tests.workflows.scripted_batch import EVALUATION, ScriptedEvaluation
from worker import steps_of
from workflows.evaluation import EvaluationWorkflow


async def evaluate(environment: WorkflowEnvironment, steps: ScriptedEvaluation) -> None:
    queue = f"batch-{uuid4()}"
    async with sandboxed(environment.client, queue, [EvaluationWorkflow], steps_of(steps)):
        await environment.client.execute_workflow(
            EVALUATION_WORKFLOW, EVALUATION, id=evaluation_workflow_id(EVALUATION), task_queue=queue
        )


async def test_step_by_step_to_the_last_answer(skipping: WorkflowEnvironment) -> None:
    steps = ScriptedEvaluation()
    await evaluate(skipping, steps)
    assert (steps.done, steps.tries, steps.failed) == (5, 3, [])


@pytest.mark.parametrize(
    "error", [ApplicationError("no", type="bug", non_retryable=True), OSError("no provider answers")]
)
async def test_what_gets_no_further_is_told_of(skipping: WorkflowEnvironment, error: Exception) -> None:
    """At once where trying again is of no use, else after an hour of trying."""
    steps = ScriptedEvaluation(2, error)
    await evaluate(skipping, steps)
    assert (steps.done, steps.failed) == (2, [EVALUATION])
    assert (steps.tries > 10) == isinstance(error, OSError)
