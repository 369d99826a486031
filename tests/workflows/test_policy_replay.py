"""The replay of a policy as a workflow: batch by batch, and an end that is told of where it gets no further."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.signatures import PolicyReplaySteps
from schema.policy_replay import (
    POLICY_REPLAY_WORKFLOW,
    Place,
    ReplayBatch,
    Replayed,
    ReplayRef,
    policy_replay_workflow_id,
)
from tests.workflows.scripted import TENANT
from worker import sandboxed_runner
from workflows.policy_replay import PolicyReplayWorkflow

REF = ReplayRef(TENANT, UUID("01900000-0000-7000-8000-0000000000e1"))
PLACE = Place(datetime(2026, 1, 1, tzinfo=UTC), UUID("01900000-0000-7000-8000-0000000000e2"), 1)


class ScriptedReplay(PolicyReplaySteps):
    """Three batches; from batch `breaks` on each try raises `error`."""

    def __init__(self, breaks: int = 99, error: Exception | None = None) -> None:
        self.begun: list[int] = []
        self.failed: list[ReplayRef] = []
        self._breaks, self._error = breaks, error

    @activity.defn
    async def replay_batch(self, batch: ReplayBatch) -> Replayed:
        self.begun.append(batch.done)
        if batch.done >= self._breaks and self._error is not None:
            raise self._error
        done = batch.done + 50
        return Replayed(done, 150, PLACE if done < 150 else None)

    @activity.defn
    async def fail_replay(self, ref: ReplayRef) -> None:
        self.failed.append(ref)


async def replay(environment: WorkflowEnvironment, steps: ScriptedReplay) -> None:
    queue = f"batch-{uuid4()}"
    async with Worker(
        environment.client, task_queue=queue, workflows=[PolicyReplayWorkflow],
        activities=[steps.replay_batch, steps.fail_replay], workflow_runner=sandboxed_runner(),
    ):  # fmt: skip
        await environment.client.execute_workflow(
            POLICY_REPLAY_WORKFLOW, REF, id=policy_replay_workflow_id(REF), task_queue=queue
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
    assert steps.failed == [REF]
