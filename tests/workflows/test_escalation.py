"""A person decides: updates, the ops' signal, and absolute deadlines."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from api.escalations import UPDATE_WITHIN_S
from schema.steps import (
    Claim,
    Deadline,
    Decide,
    Delivered,
    EscalationOutcome,
    EscalationState,
    Generated,
    Understanding,
)
from tests.workflows.conftest import Stage
from tests.workflows.scripted import AGENT, CONVERSATION, ESCALATION, TENANT
from tests.workflows.test_conversation import turn_done


def refusal(error: WorkflowUpdateFailedError) -> str | None:
    cause: BaseException | None = error.cause
    while cause is not None and not isinstance(cause, ApplicationError):
        cause = cause.__cause__
    return cause.type if isinstance(cause, ApplicationError) else None


async def test_claim_decide_and_close(stage: Stage) -> None:
    handle = await stage.escalate()
    claimed: EscalationOutcome = await handle.execute_update(
        "claim", Claim(AGENT, AGENT), result_type=EscalationOutcome
    )
    assert claimed.status == "claimed"
    await handle.execute_update("decide", Decide(uuid4(), "edit", AGENT))
    await handle.execute_update("decide", Decide(uuid4(), "resolve", AGENT))
    await handle.result()
    assert [each.decision.action for each in stage.steps.calls["apply_decision"]] == ["edit", "resolve"]


async def test_a_second_decision_about_the_draft_is_refused(stage: Stage) -> None:
    handle = await stage.escalate()
    await handle.execute_update("decide", Decide(uuid4(), "approve", AGENT))
    for action in ("approve", "edit", "reject"):
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update("decide", Decide(uuid4(), action, AGENT))
        assert refusal(refused.value) == "already_decided"
    assert len(stage.steps.calls["apply_decision"]) == 1


async def test_two_agents_at_once_and_only_one_decides(stage: Stage) -> None:
    handle = await stage.escalate()
    both = [handle.execute_update("decide", Decide(uuid4(), "approve", AGENT)) for _ in range(2)]
    answers = await asyncio.gather(*both, return_exceptions=True)
    failed = [each for each in answers if isinstance(each, WorkflowUpdateFailedError)]
    assert len(failed) == 1
    assert refusal(failed[0]) == "already_decided"
    assert len(stage.steps.calls["apply_decision"]) == 1


async def test_what_a_step_refuses_reaches_the_caller_and_leaves_the_escalation_usable(stage: Stage) -> None:
    handle = await stage.escalate()
    stage.steps.refusal = "blocked_by_policy"
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await handle.execute_update("decide", Decide(uuid4(), "respond", AGENT))
    assert refusal(refused.value) == "blocked_by_policy"
    stage.steps.refusal = None
    await handle.execute_update("decide", Decide(uuid4(), "respond", AGENT))


async def test_ops_decide_by_signal(stage: Stage) -> None:
    handle = await stage.escalate()
    await handle.signal("decide", Decide(uuid4(), "edit", AGENT))
    await handle.signal("decide", Decide(uuid4(), "approve"))
    await handle.signal("decide", Decide(uuid4(), "reject"))
    await handle.signal("decide", Decide(uuid4(), "resolve"))
    await handle.result()
    applied = stage.steps.calls["apply_decision"]
    assert [(each.decision.action, each.by_ops) for each in applied] == [("approve", True), ("resolve", True)]


async def test_a_refused_signal_does_not_wedge_the_workflow(stage: Stage) -> None:
    handle = await stage.escalate()
    stage.steps.refusal = "no_draft"
    await handle.signal("decide", Decide(uuid4(), "approve"))
    async with asyncio.timeout(10):
        while not stage.steps.calls["apply_decision"]:
            await asyncio.sleep(0.02)
    stage.steps.refusal = None
    await handle.execute_update("decide", Decide(uuid4(), "hand_back", AGENT))
    await handle.result()


async def test_nothing_is_decided_after_the_end(stage: Stage) -> None:
    handle = await stage.escalate()
    await handle.execute_update("decide", Decide(uuid4(), "resolve", AGENT))
    await handle.result()
    with pytest.raises(Exception, match=r"(?i)completed|not found|closed"):
        await handle.execute_update("decide", Decide(uuid4(), "approve", AGENT))


async def test_deadlines_pass_in_their_order_and_at_their_time(stage: Stage) -> None:
    now = await stage.environment.get_current_time()
    warning, breach = Deadline("warning", now + timedelta(hours=6)), Deadline("breach", now + timedelta(hours=8))
    stage.steps.deadlines = [breach, warning]
    handle = await stage.escalate()
    await stage.environment.sleep(timedelta(hours=7))
    assert [each.deadline.kind for each in stage.steps.calls["apply_deadline"]] == ["warning"]
    await stage.environment.sleep(timedelta(hours=2))
    assert [each.deadline.kind for each in stage.steps.calls["apply_deadline"]] == ["warning", "breach"]
    await handle.execute_update("decide", Decide(uuid4(), "resolve", AGENT))


async def test_what_presses_more_brings_its_clock_forward(stage: Stage) -> None:
    """The customer says it in a turn of the conversation, while a person is waited for."""
    now = await stage.environment.get_current_time()
    stage.steps.deadlines = [Deadline("breach", now + timedelta(hours=8))]
    handle = await stage.escalate()
    assert (await handle.query("get_state", result_type=EscalationState)).deadlines == stage.steps.deadlines
    stage.steps.deadlines = [Deadline("breach", now + timedelta(minutes=15))]
    stage.steps.on_understand = lambda ref: Understanding(ref.turn, "with_human")
    stage.steps.on_deliver = lambda work: Delivered("escalated", ESCALATION, raised=True)
    await turn_done(await stage.say(1), 1)
    await stage.environment.sleep(timedelta(hours=1))
    assert [each.deadline.kind for each in stage.steps.calls["apply_deadline"]] == ["breach"]
    await handle.execute_update("decide", Decide(uuid4(), "resolve", AGENT))


async def test_a_claim_in_time_stops_the_clock(stage: Stage) -> None:
    now = await stage.environment.get_current_time()
    stage.steps.deadlines = [Deadline("breach", now + timedelta(hours=8))]
    handle = await stage.escalate()
    await stage.environment.sleep(timedelta(hours=1))
    stage.steps.deadlines = []
    await handle.execute_update("claim", Claim(AGENT, AGENT))
    await stage.environment.sleep(timedelta(days=3))
    assert stage.steps.calls["apply_deadline"] == []
    await handle.execute_update("decide", Decide(uuid4(), "resolve", AGENT))


async def test_a_draft_is_written_for_the_agent(stage: Stage) -> None:
    wanted = Understanding(1, "begun", wants_draft=True, generators=["openai", "offline"])

    def generate(work: Any) -> Generated:
        if work.generator == "openai":
            raise ApplicationError("down", type="timeout", non_retryable=True)
        return Generated("complete")

    stage.steps.on_generate = generate
    handle = await stage.escalate(EscalationState(TENANT, ESCALATION, CONVERSATION, wanted))
    async with asyncio.timeout(10):
        while len(stage.steps.calls["generate"]) < 2:
            await asyncio.sleep(0.02)
    assert {each.escalation_id for each in stage.steps.calls["generate"]} == {ESCALATION}
    await handle.execute_update("decide", Decide(uuid4(), "resolve", AGENT))
    await handle.result()


async def test_a_claim_does_not_wait_for_the_draft(stage: Stage) -> None:
    """A model may write for a minute: as a local activity it kept every claim waiting for seconds."""
    stage.steps.generation_waits = asyncio.Event()
    wanted = Understanding(1, "begun", wants_draft=True, generators=["openai"])
    handle = await stage.escalate(EscalationState(TENANT, ESCALATION, CONVERSATION, wanted))
    async with asyncio.timeout(10):
        while not stage.steps.calls["generate"]:
            await asyncio.sleep(0.02)
    async with asyncio.timeout(UPDATE_WITHIN_S):
        await handle.execute_update("claim", Claim(AGENT, AGENT))
    stage.steps.generation_waits.set()
    await handle.execute_update("decide", Decide(uuid4(), "resolve", AGENT))
    await handle.result()
