"""Yesterday's conversations go on with today's code. What breaks this would break every running conversation."""

from __future__ import annotations

import base64
import json

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from helios.codec import ENCODING, data_converter
from tests.workflows.golden import ALL, FOLDER, read
from tests.workflows.scripted import FixedKeys
from worker import BATCH_WORKFLOWS, WORKFLOWS, sandboxed_runner

REGISTERED = {each.__name__: each for each in (*WORKFLOWS, *BATCH_WORKFLOWS)}
LESSON = """
The workflow code does not repeat the decisions of the golden history `{name}`: {cause}

Running conversations would stop here after an upgrade. If the change of the workflow's steps is meant:
  1. keep the old path for old histories:  if workflow.patched("what-changed"): <new> else: <old>
  2. run this test again: the golden history must replay with the old path
  3. record the new path beside it:  python -m tests.workflows.golden NAME
Local variables, names and logging may change freely; the order and kind of steps, timers and child workflows may not.
"""


def replayer(kind: str) -> Replayer:
    return Replayer(
        workflows=[REGISTERED[kind]],
        workflow_runner=sandboxed_runner(),
        data_converter=data_converter(FixedKeys()),
        build_id="test",
    )


def kind_of(history: WorkflowHistory) -> str:
    return history.events[0].workflow_execution_started_event_attributes.workflow_type.name


@pytest.mark.parametrize("name", ALL)
async def test_a_golden_history_replays(name: str) -> None:
    history = read(name)
    result = await replayer(kind_of(history)).replay_workflow(history, raise_on_replay_failure=False)
    if result.replay_failure is not None:
        pytest.fail(LESSON.format(name=name, cause=result.replay_failure), pytrace=False)


def test_each_workflow_that_a_worker_runs_has_a_golden_history() -> None:
    assert {kind_of(read(name)) for name in ALL} == REGISTERED.keys()


def test_it_is_the_sandbox_that_replays() -> None:
    assert isinstance(sandboxed_runner(), SandboxedWorkflowRunner)


@pytest.mark.parametrize("name", ALL)
def test_golden_histories_are_encrypted(name: str) -> None:
    """Every payload of every event: a readable one would be a leak in production, too."""
    payloads = list(_payloads(json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))))
    assert payloads
    ours = [each for each in payloads if base64.b64decode(each["metadata"]["encoding"]) == ENCODING]
    # The SDK writes search attributes, and notes of its own about local steps and patches, unencrypted.
    assert all("helios" not in json.dumps(each).lower() for each in payloads if each not in ours)
    assert len(ours) > len(payloads) / 2


def _payloads(node: object) -> list[dict[str, dict[str, str]]]:
    if isinstance(node, dict):
        here = [node] if "metadata" in node and "encoding" in (node.get("metadata") or {}) else []
        return here + [found for value in node.values() for found in _payloads(value)]
    if isinstance(node, list):
        return [found for value in node for found in _payloads(value)]
    return []
