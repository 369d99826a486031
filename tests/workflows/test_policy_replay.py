"""The replay of a policy as a workflow: batch by batch, and an end that is told of where it gets no further."""

from __future__ import annotations

from uuid import uuid4

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from schema.policy_replay import POLICY_REPLAY_WORKFLOW, policy_replay_workflow_id
from tests.workflows.conftest import sandboxed
from tests.workflows.scripted_batch import REPLAY, ScriptedReplay
from worker import steps_of
from workflows.policy_replay import PolicyReplayWorkflow


async def replay(environment: WorkflowEnvironment, steps: ScriptedReplay) -> None:
    queue = f"batch-{uuid4()}"
    async with sandboxed(environment.client, queue, [PolicyReplayWorkflow], steps_of(steps)):
        await environment.client.execute_workflow(
            POLICY_REPLAY_WORKFLOW, REPLAY, id=policy_replay_workflow_id(REPLAY), task_queue=queue
        )


async def test_batch_by_batch_to_the_last_turn(skipping: WorkflowEnvironment) -> None:
    steps = ScriptedReplay()
    await replay(skipping, steps)
    assert (steps.begun, steps.failed) == ([0, 50, 100], [])


@pytest.mark.parametrize(
    "error", [ApplicationError("no", type="bug", non_retryable=True), OSError("the database is away")]
)
async def test_what_gets_no_further_is_told_of(skipping: WorkflowEnvironment, error: Exception) -> None:
    """At once where trying again is of no use, else after an hour of trying."""
    steps = ScriptedReplay(50, error)
    await replay(skipping, steps)
    assert set(steps.begun) == {0, 50}
    assert (len(steps.begun) > 10) == isinstance(error, OSError)
    assert steps.failed == [REPLAY]
