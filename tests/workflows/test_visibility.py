"""What ops see costs an event only where something changed, and never a workflow task of its own."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle

from schema.steps import Understanding
from schema.visibility import shown_channel, shown_intent
from tests.workflows.conftest import Stage

UPSERT = EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES
TASK = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
STEP = EventType.EVENT_TYPE_MARKER_RECORDED
STEPS_OF_A_TURN = 3


async def events_after(handle: WorkflowHandle[Any, Any], turns: int) -> Counter[EventType.ValueType]:
    """How many events of each type there are once so many turns are in the history."""
    async with asyncio.timeout(20):
        while True:
            events = Counter(event.event_type for event in (await handle.fetch_history()).events)
            if events[STEP] >= turns * STEPS_OF_A_TURN:
                return events
            await asyncio.sleep(0.02)


async def test_a_turn_that_changes_nothing_costs_nothing(stage: Stage) -> None:
    stage.steps.on_understand = lambda ref: Understanding(
        ref.turn, "begun", intent="card_lost" if ref.turn < 3 else "fee_question", generators=["offline"]
    )
    upserts = []
    for turn in (1, 2, 3):
        events = await events_after(await stage.say(turn), turn)
        upserts.append(events[UPSERT])
        assert events[TASK] == turn
    assert upserts == [1, 1, 2]


@pytest.mark.parametrize("name", ["Lost card of Jane Roe", "4111111111111111", "", "x" * 65, "card\nlost"])
def test_what_is_not_written_as_a_name_is_not_shown(name: str) -> None:
    assert (shown_intent(name), shown_channel(name)) == ("other", "other")
    assert (shown_intent("card_lost"), shown_channel("web")) == ("card_lost", "web")
