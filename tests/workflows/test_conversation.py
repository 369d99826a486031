"""The conversation as an entity: bursts, stops, failing generators, idleness and continue-as-new."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from schema.follow_ups import CorrectConversation, Corrected
from schema.steps import ConversationState, Correction, Delivered, Generated, RequestHuman, Stop, TurnRef, Understanding
from tests.workflows.conftest import Stage
from tests.workflows.scripted import CONVERSATION, ESCALATION, TENANT


async def turn_done(handle: WorkflowHandle[Any, Any], turn: int) -> ConversationState:
    """The workflow's state once this turn has ended."""
    async with asyncio.timeout(20):
        while True:
            state: ConversationState = await handle.query("get_state", result_type=ConversationState)
            if state.done_turn >= turn:
                return state
            await asyncio.sleep(0.02)


async def escalation_status(stage: Stage) -> WorkflowExecutionStatus | None:
    """Of the escalation's workflow, once it has started: its conversation starts it after the turn has ended."""
    async with asyncio.timeout(20):
        while True:
            try:
                return (await stage.escalation().describe()).status
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
            await asyncio.sleep(0.02)


async def delivered(stage: Stage, turn: int) -> None:
    """Once this turn was delivered, in whichever run (the test server answers queries from the first one)."""
    async with asyncio.timeout(20):
        while all(each.ref.turn != turn for each in stage.steps.calls["deliver"]):
            await asyncio.sleep(0.02)


async def test_the_steps_of_a_turn_in_order(stage: Stage) -> None:
    await turn_done(await stage.say(1), 1)
    assert [list(stage.steps.calls)] == [["understand", "generate", "deliver"]]
    assert stage.steps.calls["deliver"][0].outcome == "answered"


async def test_the_same_message_again_makes_no_second_turn(stage: Stage) -> None:
    for _ in range(3):
        handle = await stage.say(1)
    await turn_done(handle, 1)
    await stage.say(1)
    await turn_done(await stage.say(2), 2)
    assert [each.ref.turn for each in stage.steps.calls["deliver"]] == [1, 2]


async def test_a_turn_that_ended_unheard_still_starts_its_escalation(stage: Stage) -> None:
    """The worker died between the end of the turn in the database and the end of the workflow's task."""
    stage.steps.on_understand = lambda ref: Understanding(ref.turn, "done")
    stage.steps.on_deliver = lambda _: Delivered("escalated", ESCALATION)
    await turn_done(await stage.say(4), 4)
    assert "generate" not in stage.steps.calls
    assert await escalation_status(stage) is WorkflowExecutionStatus.RUNNING


async def test_the_oldest_unfinished_turn_is_taken_first(stage: Stage) -> None:
    stage.steps.on_understand = lambda ref: Understanding(
        len(stage.steps.calls["deliver"]) + 1, "begun", generators=["offline"]
    )
    await turn_done(await stage.say(3), 3)
    assert [each.ref.turn for each in stage.steps.calls["deliver"]] == [1, 2, 3]


async def test_with_a_person_the_turn_is_only_passed_on(stage: Stage) -> None:
    stage.steps.on_understand = lambda ref: Understanding(ref.turn, "with_human")
    await turn_done(await stage.say(1), 1)
    assert stage.steps.calls["deliver"][0].forwarded
    assert "generate" not in stage.steps.calls


@pytest.mark.parametrize(("verdict", "outcome"), [("escalate", "escalated"), ("refuse", "blocked")])
async def test_a_situation_decides_before_any_model_speaks(stage: Stage, verdict: Any, outcome: str) -> None:
    stage.steps.on_understand = lambda ref: Understanding(ref.turn, "begun", verdict=verdict, situation=12)
    await turn_done(await stage.say(1), 1)
    assert "generate" not in stage.steps.calls
    assert (stage.steps.calls["deliver"][0].outcome, stage.steps.calls["deliver"][0].situation) == (outcome, 12)


async def test_the_next_generator_takes_over_from_one_that_fails(stage: Stage) -> None:
    def generate(work: Any) -> Generated:
        if work.generator != "offline":
            raise ApplicationError("down", type="unavailable", non_retryable=True)
        return Generated("complete")

    stage.steps.on_understand = lambda ref: Understanding(ref.turn, "begun", generators=["openai", "offline"])
    stage.steps.on_generate = generate
    await turn_done(await stage.say(1), 1)
    assert [each.generator for each in stage.steps.calls["generate"]] == ["openai", "offline"]
    assert stage.steps.calls["deliver"][0].outcome == "answered"


async def test_when_no_generator_answers_a_person_does(stage: Stage) -> None:
    def fail(work: Any) -> Generated:
        raise ApplicationError("down", type="unavailable", non_retryable=True)

    stage.steps.on_generate = fail
    await turn_done(await stage.say(1), 1)
    assert stage.steps.calls["deliver"][0].outcome == "escalated"
    assert stage.steps.calls["deliver"][0].reason == "no_generator"


@pytest.mark.parametrize("status", ["held", "blocked"])
async def test_what_fails_the_checks_is_not_answered(stage: Stage, status: Any) -> None:
    stage.steps.on_generate = lambda work: Generated(status, situation=9, reasons=["promise"])
    await turn_done(await stage.say(1), 1)
    delivered = stage.steps.calls["deliver"][0]
    assert (delivered.outcome, delivered.reason, delivered.situation) == (status, "promise", 9)


async def test_a_step_with_a_bug_ends_the_turn_as_failed(stage: Stage) -> None:
    def broken(ref: TurnRef) -> Understanding:
        raise ApplicationError("KeyError", type="bug", non_retryable=True)

    stage.steps.on_understand = broken
    await turn_done(await stage.say(1), 1)
    assert stage.steps.calls["deliver"][0].outcome == "failed"


async def test_a_delivery_with_a_bug_ends_the_turn_as_failed(stage: Stage) -> None:
    def deliver(work: Any) -> Delivered:
        if work.outcome != "failed":
            raise ApplicationError("KeyError", type="bug", non_retryable=True)
        return Delivered("failed")

    stage.steps.on_deliver = deliver
    await turn_done(await stage.say(1), 1)
    assert [each.outcome for each in stage.steps.calls["deliver"]] == ["answered", "failed"]


async def test_stop_cancels_the_generation(stage: Stage) -> None:
    stage.steps.on_understand = lambda ref: Understanding(ref.turn, "begun", generators=["openai", "offline"])
    stage.steps.generation_waits = asyncio.Event()
    handle = await stage.say(1)
    async with asyncio.timeout(10):
        while not stage.steps.calls["generate"]:
            await asyncio.sleep(0.02)
    await handle.signal("stop", Stop(1))
    await turn_done(handle, 1)
    assert stage.steps.calls["deliver"][0].outcome == "stopped"
    assert len(stage.steps.calls["generate"]) == 1


async def test_stop_for_another_turn_changes_nothing(stage: Stage) -> None:
    handle = await stage.say(1)
    await handle.signal("stop", Stop(7))
    await turn_done(handle, 1)
    assert stage.steps.calls["deliver"][0].outcome == "answered"


async def test_an_escalated_turn_starts_its_escalation_which_outlives_the_conversation(stage: Stage) -> None:
    stage.steps.on_understand = lambda ref: Understanding(ref.turn, "begun", verdict="escalate", situation=20)
    handle = await stage.say(1)
    await turn_done(handle, 1)
    await handle.signal("close")
    with stage.environment.auto_time_skipping_disabled():
        await handle.result()
    description = await stage.escalation().describe()
    assert description.status == WorkflowExecutionStatus.RUNNING


async def test_a_request_for_a_person_opens_one_escalation(stage: Stage) -> None:
    handle = await stage.say(1)
    request = RequestHuman(uuid4(), uuid4())
    for _ in range(2):
        await handle.signal("request_human", request)
    await turn_done(await stage.say(2), 2)
    async with asyncio.timeout(10):
        while not stage.steps.calls["open_escalation"]:
            await asyncio.sleep(0.02)
    assert [each.request_id for each in stage.steps.calls["open_escalation"]] == [request.request_id]
    assert stage.steps.calls["load_escalation"][0].escalation_id == ESCALATION


async def test_an_idle_run_ends_and_the_next_message_starts_another(stage: Stage) -> None:
    handle = await stage.say(1, ConversationState(TENANT, CONVERSATION, idle_s=60))
    await turn_done(handle, 1)
    first_run = (await handle.describe()).run_id
    await stage.environment.sleep(timedelta(seconds=61))
    await stage.environment.client.get_workflow_handle(handle.id, run_id=first_run).result()
    second = await stage.say(2)
    await delivered(stage, 2)
    assert (await second.describe()).run_id != first_run


async def test_a_long_history_continues_as_new_with_its_state(stage: Stage) -> None:
    handle = await stage.say(1)
    turn, first_run = 1, (await handle.describe()).run_id
    while (await handle.describe()).run_id == first_run:
        await delivered(stage, turn)
        turn += 1
        assert turn < 200, "the history never became long"
        await stage.say(turn)
    await delivered(stage, turn)
    turns = [each.ref.turn for each in stage.steps.calls["deliver"]]
    # A message that comes just as a run ends has the server ask for its last task again, local steps and all.
    assert (list(dict.fromkeys(turns)), turns) == (list(range(1, turn + 1)), sorted(turns))


async def corrections(stage: Stage, count: int) -> None:
    async with asyncio.timeout(20):
        while len(stage.steps.calls["correct_conversation"]) < count:
            await asyncio.sleep(0.02)


async def test_a_correction_waits_until_the_turn_has_ended(stage: Stage) -> None:
    delivered_before: list[int] = []

    def correct(_: CorrectConversation) -> Corrected:
        delivered_before.append(len(stage.steps.calls["deliver"]))
        return Corrected("told")

    stage.steps.on_correct = correct
    stage.steps.generation_waits = asyncio.Event()
    handle = await stage.say(1)
    async with asyncio.timeout(20):
        while not stage.steps.calls["generate"]:
            await asyncio.sleep(0.02)
    await handle.signal("correct", Correction(CONVERSATION, 1))
    stage.steps.generation_waits.set()
    await corrections(stage, 1)
    assert delivered_before == [1]


async def test_of_an_erased_customer_the_correction_is_dropped_and_the_rest_goes_on(stage: Stage) -> None:
    def erased(_: CorrectConversation) -> Corrected:
        raise ApplicationError("erased", type="customer_erased", non_retryable=True)

    stage.steps.on_correct = erased
    handle = await stage.say(1)
    await turn_done(handle, 1)
    await handle.signal("correct", Correction(CONVERSATION, 1))
    await corrections(stage, 1)
    assert (await turn_done(await stage.say(2), 2)).corrections == []


async def test_the_run_of_a_closed_conversation_ends_with_its_correction(stage: Stage) -> None:
    """It was started for that alone; the escalation that it opened goes on."""
    stage.steps.on_correct = lambda _: Corrected("person", ESCALATION, closed=True)
    handle = await stage.say(1, ConversationState(TENANT, CONVERSATION, requested_turn=1, done_turn=1))
    await handle.signal("correct", Correction(CONVERSATION, 1))
    with stage.environment.auto_time_skipping_disabled():
        await handle.result()
    assert len(stage.steps.calls["correct_conversation"]) == 1
    assert await escalation_status(stage) is WorkflowExecutionStatus.RUNNING
