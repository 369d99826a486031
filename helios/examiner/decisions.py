"""A conversation's decisions as Temporal's history holds them: the result of each step, decrypted.

The history is written by Temporal's server as the steps end, the record in PostgreSQL by the last of them. They are two
accounts of the same turn.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, TypeVar

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHistory
from temporalio.converter import DataConverter, WorkflowSerializationContext

from schema.steps import Delivered, Generated, Understanding

LOCAL_ACTIVITY: Final = "core_local_activity"
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Decision:
    """One turn as the history tells it. A part is None where the history does not have it."""

    turn: int
    understanding: Understanding | None = None
    generated: tuple[Generated, ...] = ()
    delivered: Delivered | None = None

    def as_json(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return told


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a workflow: a conversation has a new one after each idle time."""

    workflow_id: str
    run_id: str
    history: WorkflowHistory = field(repr=False)
    builds: tuple[str, ...] = ()
    """The builds of the workers whose code decided, in order."""


async def runs_of(client: Client, workflow_id: str) -> list[Run]:
    """Every run that Temporal still has, oldest first."""
    found = [each async for each in _listed(client, workflow_id)]
    runs = []
    for run_id in found:
        history = await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()
        runs.append(Run(workflow_id, run_id, history, build_ids(history)))
    return sorted(runs, key=lambda run: run.history.events[0].event_time.ToNanoseconds())


async def decisions(runs: Sequence[Run], converter: DataConverter, namespace: str) -> dict[int, Decision]:
    """By turn. A turn that was tried again in a later run is told as it ended."""
    told: dict[int, Decision] = {}
    for run in runs:
        turn = 0
        reads = converter.with_context(WorkflowSerializationContext(namespace, run.workflow_id))
        for kind, event in _steps(run.history):
            if kind == "understand":
                understanding = await _result(reads, event, Understanding)
                turn = understanding.turn
                told[turn] = replace(told.get(turn, Decision(turn)), understanding=understanding)
            elif kind == "generate" and turn:
                generated = await _result(reads, event, Generated)
                told[turn] = replace(told[turn], generated=(*told[turn].generated, generated))
            elif kind == "deliver" and turn:
                told[turn] = replace(told[turn], delivered=await _result(reads, event, Delivered))
    return told


async def _listed(client: Client, workflow_id: str) -> AsyncIterator[str]:
    """The id has no quote in it: it is made of UUIDs."""
    async for execution in client.list_workflows(f"WorkflowId = '{workflow_id}'"):
        yield execution.run_id


def build_ids(history: WorkflowHistory) -> tuple[str, ...]:
    """The worker's own name for its code (the build id), where the history has one."""
    named = (
        event.workflow_task_completed_event_attributes.worker_version.build_id
        or event.workflow_task_completed_event_attributes.binary_checksum
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    )
    return tuple(dict.fromkeys(name for name in named if name))


def _steps(history: WorkflowHistory) -> list[tuple[str, HistoryEvent]]:
    """The local activities that succeeded, in order, by their type."""
    found = []
    for event in history.events:
        marker = event.marker_recorded_event_attributes
        if event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED and marker.marker_name == LOCAL_ACTIVITY:
            if "result" not in marker.details:
                continue
            about = json.loads(marker.details["data"].payloads[0].data)
            found.append((str(about["activity_type"]), event))
    return found


async def _result(converter: DataConverter, event: HistoryEvent, kind: type[Result]) -> Result:
    payloads = event.marker_recorded_event_attributes.details["result"].payloads
    (value,) = await converter.decode(payloads, [kind])
    assert isinstance(value, kind)
    return value
