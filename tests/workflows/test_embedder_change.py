"""The change of an embedder as a workflow: it waits as long as it is asked to, and longer each time while it fails."""

from __future__ import annotations

from uuid import UUID, uuid4

from temporalio.client import WorkflowHistory
from temporalio.testing import WorkflowEnvironment

from schema.embedders import EMBEDDER_CHANGE_WORKFLOW, Embedded, EmbedMore, embedder_change_workflow_id
from tests.workflows.conftest import sandboxed
from tests.workflows.scripted_batch import CHANGE, ScriptedEmbedders
from worker import steps_of
from workflows.embedder_change import EmbedderChangeWorkflow

LAST = UUID("01900000-0000-7000-8000-0000000000c1")


async def play(skipping: WorkflowEnvironment, steps: ScriptedEmbedders) -> WorkflowHistory:
    queue = f"batch-{uuid4()}"
    async with sandboxed(skipping.client, queue, [EmbedderChangeWorkflow], steps_of(steps)):
        handle = await skipping.client.start_workflow(
            EMBEDDER_CHANGE_WORKFLOW, EmbedMore(CHANGE), id=embedder_change_workflow_id(CHANGE), task_queue=queue
        )
        await handle.result()
        return await handle.fetch_history()


def waits(history: WorkflowHistory) -> list[int]:
    """Seconds of each timer."""
    started = [each.timer_started_event_attributes for each in history.events]
    return [each.start_to_fire_timeout.seconds for each in started if each.timer_id]


def removals(history: WorkflowHistory) -> int:
    scheduled = [each.activity_task_scheduled_event_attributes for each in history.events]
    return sum(each.activity_type.name == "remove_old_vectors" for each in scheduled)


async def test_it_waits_as_it_is_asked_to_and_ever_longer_where_nothing_helps(skipping: WorkflowEnvironment) -> None:
    down = Embedded(True, 10, 4, trouble="unavailable")
    limited = Embedded(True, 10, 4, trouble="rate_limited", wait_s=90.0)
    well, over = Embedded(True, 10, 8), Embedded(True, 10, 10, at_end=True)
    history = await play(skipping, ScriptedEmbedders(*[down] * 8, limited, well, down, over, keep_s=600.0))
    assert waits(history) == [1, 2, 4, 8, 16, 32, 60, 60, 90, 1, 600]
    assert removals(history) == 3


async def test_it_goes_on_where_it_was_and_begins_anew_for_what_came_meanwhile(skipping: WorkflowEnvironment) -> None:
    steps = ScriptedEmbedders(
        Embedded(True, 10, 4, after=LAST), Embedded(True, 10, 10, at_end=True),
        Embedded(True, 11, 11, at_end=True), switches=(False, True),
    )  # fmt: skip
    await play(skipping, steps)
    assert steps.asked == [None, LAST, None]


async def test_a_long_wait_ends_where_it_is_woken(skipping: WorkflowEnvironment) -> None:
    steps = ScriptedEmbedders(Embedded(True, 10, 4, trouble="rate_limited", wait_s=86_400.0), Embedded(False))
    queue = f"batch-{uuid4()}"
    async with sandboxed(skipping.client, queue, [EmbedderChangeWorkflow], steps_of(steps)):
        handle = await skipping.client.start_workflow(
            EMBEDDER_CHANGE_WORKFLOW, EmbedMore(CHANGE), id=embedder_change_workflow_id(CHANGE), task_queue=queue
        )
        await skipping.sleep(60)
        await handle.signal("wake")
        await handle.result()
        events = (await handle.fetch_history()).events
    took = events[-1].event_time.ToDatetime() - events[0].event_time.ToDatetime()
    assert 60 <= took.total_seconds() < 3_600


async def test_what_is_called_off_cleans_up_at_once(skipping: WorkflowEnvironment) -> None:
    history = await play(skipping, ScriptedEmbedders(Embedded(True, 10, 4), Embedded(False)))
    assert waits(history) == []
    assert removals(history) == 3
