"""The follow-up as a workflow: it looks until every conversation is done, less and less often while nothing moves."""

from __future__ import annotations

from uuid import uuid4

from temporalio.testing import WorkflowEnvironment

from schema.follow_ups import FOLLOW_UP_WORKFLOW, follow_up_workflow_id
from tests.workflows.conftest import sandboxed
from tests.workflows.scripted_batch import FOLLOW_UP, ScriptedFollowUps
from worker import steps_of
from workflows.follow_up import FollowUpWorkflow


async def test_it_looks_until_the_last_conversation_is_done(skipping: WorkflowEnvironment) -> None:
    steps, queue = ScriptedFollowUps(*[0] * 9, 2, 3), f"batch-{uuid4()}"
    async with sandboxed(skipping.client, queue, [FollowUpWorkflow], steps_of(steps)):
        handle = await skipping.client.start_workflow(
            FOLLOW_UP_WORKFLOW, FOLLOW_UP, id=follow_up_workflow_id(FOLLOW_UP), task_queue=queue
        )
        await handle.result()
        events = (await handle.fetch_history()).events
    assert steps.looks == 11
    timers = [each.timer_started_event_attributes for each in events if each.HasField("timer_started_event_attributes")]
    assert [each.start_to_fire_timeout.seconds for each in timers] == [1, 2, 4, 8, 16, 32, 60, 60, 60, 1]
