"""Replay after an upgrade, by histories that older releases of this code wrote: most repeat, and one does not."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio.client import WorkflowHistory

from helios import VERSION
from helios.codec import data_converter
from helios.commands.replay import show
from helios.examiner.decisions import Run, build_ids, decisions
from helios.examiner.replay import Examination, ExaminedTurn, Told, examined, replay
from helios.settings import PROJECT
from helios.sources import build_id
from schema.steps import conversation_workflow_id
from tests.workflows.golden import FOLDER
from tests.workflows.scripted import CONVERSATION, TENANT, FixedKeys
from workflows.conversation import ConversationWorkflow

OLDER = FOLDER / "answered.json"
OLDEST = Path(__file__).with_name("answered_by_older_code.json")
"""By the code of 22 November 2026, before conversations told Temporal's search of themselves. Never made again."""
RECORD = {
    "language": "en",
    "intent": {"name": "fee_question", "confidence": 0.9},
    "situations": [],
    "passages": [{"chunk_id": "01900000-0000-7000-8000-0000000000c1", "score": 0.71}],
    "policy_version": 1,
}


def run_of(file: Path) -> Run:
    workflow_id = conversation_workflow_id(TENANT, CONVERSATION)
    history = WorkflowHistory.from_json(workflow_id, file.read_text(encoding="utf-8"))
    return Run(workflow_id, "the-run", history, build_ids(history))


async def turns_of(run: Run, **changed: Any) -> list[ExaminedTurn]:
    """Held against what the database would have of them."""
    told = Told(await decisions([run], data_converter(FixedKeys()), "default"))
    now = datetime.now(UTC)
    row = {"draft": {"model": "offline"}, "outcome": "answered", "attempt": 1, "received_at": now, "completed_at": now}
    records = [SimpleNamespace(number=number, record={**RECORD, **changed}, **row) for number in told.by_turn]
    return [examined(each, told, (), "gone") for each in records]


async def test_a_history_of_an_older_build_is_repeated_and_each_decision_told() -> None:
    run = run_of(OLDER)
    assert build_id() not in run.builds
    found = await replay(run, [ConversationWorkflow], FixedKeys())
    assert (found.failure, found.advice, found.builds) == (None, None, run.builds)
    turns = await turns_of(run)
    assert [(turn.turn, turn.history, turn.record["policy_version"]) for turn in turns] == [
        (1, "agrees", 1),
        (2, "agrees", 1),
    ]
    (changed, _) = await turns_of(run, policy_version=7)
    assert (changed.history, changed.differences) == ("differs", ("policy_version: the history says 1, the record 7",))


async def test_what_todays_code_cannot_repeat_names_the_release_that_can(capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(OLDEST)
    found = await replay(run, [ConversationWorkflow], FixedKeys())
    assert found.failure is not None
    assert found.failure.startswith("[TMPRL1100] Nondeterminism error: ")
    assert "Failure {" not in found.failure
    assert found.advice is not None
    for said in (run.builds[0], build_id(), "2026-11-22", "check out the release that was in use", "worker --build"):
        assert said in found.advice
    turns = await turns_of(run)
    assert {turn.history for turn in turns} == {"agrees"}
    examination = Examination(TENANT, CONVERSATION, None, (found,), tuple(turns))
    assert (examination.agrees, examination.repeated) == (True, False)
    show(examination)
    shown = capsys.readouterr().out
    assert "not repeated by the code of today" in shown
    assert "Turn 1: answered" in shown


async def test_a_release_is_named_by_its_number() -> None:
    run = run_of(OLDEST)
    released = Run(run.workflow_id, run.run_id, run.history, ("3.1.0+4f0c2a9e1b7d3c58",))
    assert "check out release 3.1.0, whose" in str((await replay(released, [ConversationWorkflow], FixedKeys())).advice)
    own = Run(run.workflow_id, run.run_id, run.history, (build_id(),))
    found = await replay(own, [ConversationWorkflow], FixedKeys())
    assert (found.failure is None, found.advice) == (False, None)
    assert not Examination(TENANT, CONVERSATION, None, (found,), ()).agrees


def test_the_release_of_the_code_is_that_of_the_project() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (project["version"], build_id().partition("+")[0]) == (VERSION, VERSION)
