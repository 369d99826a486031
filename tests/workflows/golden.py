"""Golden histories: workflows as they were recorded, encrypted as in production, replayed against today's code.

Record them again, after a change that is meant to break them (and was patched for running conversations), with

    python -m tests.workflows.golden [NAME…]
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from temporalio.client import WorkflowHandle, WorkflowHistory
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from schema.follow_ups import Corrected
from schema.steps import (
    Claim,
    Correction,
    Deadline,
    Decide,
    EscalationState,
    Generated,
    RequestHuman,
    ScoredPassage,
    Stop,
    Understanding,
    conversation_workflow_id,
    escalation_workflow_id,
)
from tests.workflows import golden_batch
from tests.workflows.conftest import Stage, acting, time_skipping_server
from tests.workflows.scripted import AGENT, CONVERSATION, ESCALATION, TENANT

FOLDER = Path(__file__).parent / "golden"
WITHDRAWN = UUID("01900000-0000-7000-8000-0000000000d2")
DECISION = UUID("01900000-0000-7000-8000-0000000000d1")
Scene = Callable[[Stage], Awaitable[WorkflowHandle[Any, Any]]]


async def answered(stage: Stage) -> WorkflowHandle[Any, Any]:
    """Two turns that the offline generator answers, and the close."""
    stage.steps.on_understand = lambda ref: Understanding(
        ref.turn, "begun", intent="fee_question", intent_confidence=0.9, generators=["offline"],
        passages=[ScoredPassage(CONVERSATION, 0.71)],
    )  # fmt: skip
    await _done(await stage.say(1), 1)
    handle = await stage.say(2)
    await _done(handle, 2)
    await handle.signal("close")
    return handle


async def failed_over(stage: Stage) -> WorkflowHandle[Any, Any]:
    """A remote model that fails twice, then the next generator."""

    def generate(work: Any) -> Generated:
        if work.generator == "openai":
            raise ApplicationError("down", type="unavailable", non_retryable=True)
        return Generated("complete")

    stage.steps.on_understand = lambda ref: Understanding(ref.turn, "begun", generators=["openai", "offline"])
    stage.steps.on_generate = generate
    handle = await stage.say(1)
    await _done(handle, 1)
    await handle.signal("close")
    return handle


async def stopped(stage: Stage) -> WorkflowHandle[Any, Any]:
    """The customer stops a remote model's answer."""
    stage.steps.on_understand = lambda ref: Understanding(ref.turn, "begun", generators=["openai"])
    stage.steps.generation_waits = asyncio.Event()
    handle = await stage.say(1)
    while not stage.steps.calls["generate"]:
        await asyncio.sleep(0.02)
    await handle.signal("stop", Stop(1))
    await _done(handle, 1)
    await handle.signal("close")
    return handle


async def escalated(stage: Stage) -> WorkflowHandle[Any, Any]:
    """A situation goes to a person; a further message is passed on; then a request for a person."""
    stage.steps.on_understand = lambda ref: Understanding(
        ref.turn, "begun" if ref.turn == 1 else "with_human", verdict="escalate", situation=1, wants_draft=True,
        generators=["offline"],
    )  # fmt: skip
    await _done(await stage.say(1), 1)
    handle = await stage.say(2)
    await _done(handle, 2)
    await handle.signal("request_human", RequestHuman(DECISION, AGENT))
    while not stage.steps.calls["open_escalation"]:
        await asyncio.sleep(0.02)
    await handle.signal("close")
    return handle


async def corrected(stage: Stage) -> WorkflowHandle[Any, Any]:
    """An answer whose ground is withdrawn: one version is told of, twice asked for; of another a person tells."""
    await _done(await stage.say(1), 1)
    handle = await stage.say(1)
    for version in (1, 1, 2):
        await handle.signal("correct", Correction(WITHDRAWN, version))
        while len(stage.steps.calls["correct_conversation"]) < version:
            await asyncio.sleep(0.02)
        stage.steps.on_correct = lambda work: Corrected("person", ESCALATION, waits=True)
    while (await handle.query("get_state"))["corrections"]:
        await asyncio.sleep(0.02)
    await handle.signal("close")
    return handle


async def decided(stage: Stage) -> WorkflowHandle[Any, Any]:
    """An escalation with a draft: claimed, a warning passes, edited, refused once, resolved."""
    now = await stage.environment.get_current_time()
    stage.steps.deadlines = [
        Deadline("warning", now + timedelta(hours=1)),
        Deadline("breach", now + timedelta(hours=9)),
    ]
    wanted = Understanding(1, "begun", wants_draft=True, generators=["offline"])
    handle = await stage.escalate(EscalationState(TENANT, ESCALATION, CONVERSATION, wanted))
    while not stage.steps.calls["generate"]:
        await asyncio.sleep(0.02)
    await stage.environment.sleep(timedelta(hours=2))
    await handle.execute_update("claim", Claim(AGENT, AGENT), id="claim")
    await handle.signal("decide", Decide(DECISION, "edit", AGENT))
    await handle.execute_update("decide", Decide(DECISION, "edit", AGENT), id="edit")
    await handle.execute_update("release", Claim(AGENT), id="release")
    await handle.execute_update("decide", Decide(DECISION, "resolve", AGENT), id="resolve")
    return handle


SCENES: dict[str, Scene] = {
    scene.__name__: scene for scene in (answered, failed_over, stopped, escalated, corrected, decided)
}
# Recorded by code that is gone, for conversations that it began: never to be recorded again. `told_too_early` heard of
# a correction before it knew of any; `erased_deaf` did not hear of a release while it looked at the holds.
# `ended_breached` ended with its last alarm, before its ticket did.
OLDER = {
    "decided_with_local_draft": "decided",
    "told_too_early": "corrected",
    "erased_deaf": "erased",
    "ended_breached": "rang",
}
"""And which scene each is an older recording of."""
ALL = (*SCENES, *OLDER, *golden_batch.SCENES)


def read(name: str) -> WorkflowHistory:
    return WorkflowHistory.from_json(_id_of(name), (FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def _id_of(name: str) -> str:
    name = OLDER.get(name, name)
    if name in golden_batch.SCENES:
        return golden_batch.SCENES[name](datetime.now(UTC)).id
    return (
        escalation_workflow_id(TENANT, ESCALATION)
        if name == "decided"
        else conversation_workflow_id(TENANT, CONVERSATION)
    )


async def record(name: str) -> None:
    async with time_skipping_server() as environment:
        history = await (_play if name in SCENES else golden_batch.play)(environment, name)
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(history.to_json() + "\n", encoding="utf-8")
    print(f"{name}: {len(history.events)} events")


async def _play(environment: WorkflowEnvironment, name: str) -> WorkflowHistory:
    async with acting(environment) as stage:
        handle = await SCENES[name](stage)
        with environment.auto_time_skipping_disabled():
            await handle.result()
        return await handle.fetch_history()


async def _done(handle: WorkflowHandle[Any, Any], turn: int) -> None:
    while (await handle.query("get_state"))["done_turn"] < turn:
        await asyncio.sleep(0.02)


async def _record_all(names: Sequence[str]) -> None:
    for name in names or (*SCENES, *golden_batch.SCENES):
        await record(name)


if __name__ == "__main__":
    asyncio.run(_record_all(sys.argv[1:]))
