"""A draft of a policy against past turns, batch by batch, on the queue of work that nobody waits for."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.signatures import PolicyReplaySteps
    from schema.policy_replay import POLICY_REPLAY_WORKFLOW, ReplayBatch, Replayed, ReplayRef

PATIENT = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=5))
GIVEN_UP_AFTER = timedelta(hours=1)
"""A batch that does not succeed within it is told of, instead of being tried for ever."""


@workflow.defn(name=POLICY_REPLAY_WORKFLOW)
class PolicyReplayWorkflow:
    """A replay has at most 200 batches, which one history holds. A batch that is tried again changes nothing."""

    @workflow.run
    async def run(self, ref: ReplayRef) -> None:
        try:
            await self._replay(ref)
        except ActivityError:
            workflow.set_current_details("failed")
            await workflow.execute_activity_method(
                PolicyReplaySteps.fail_replay, ref, start_to_close_timeout=timedelta(seconds=60), retry_policy=PATIENT
            )

    async def _replay(self, ref: ReplayRef) -> None:
        batch: ReplayBatch | None = ReplayBatch(ref)
        while batch is not None:
            replayed: Replayed = await workflow.execute_activity_method(
                PolicyReplaySteps.replay_batch,
                batch,
                start_to_close_timeout=timedelta(seconds=60),
                schedule_to_close_timeout=GIVEN_UP_AFTER,
                retry_policy=PATIENT,
                summary=f"from turn {batch.done + 1} on",
            )
            workflow.set_current_details(f"{replayed.done} of {replayed.total} turns")
            batch = ReplayBatch(ref, replayed.after, replayed.done) if replayed.after is not None else None
