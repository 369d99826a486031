"""Temporal's time-skipping server: days pass in a moment; the codec is on and the sandbox proves determinism."""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from helios.codec import data_converter
from schema.steps import (
    CONVERSATION_WORKFLOW,
    ESCALATION_WORKFLOW,
    ConversationState,
    EscalationState,
    PostMessage,
    conversation_workflow_id,
    escalation_workflow_id,
)
from schema.visibility import KEYS
from tests.workflows.scripted import CONVERSATION, ESCALATION, TENANT, FixedKeys, Scripted
from worker import sandboxed_runner
from workflows.conversation import ConversationWorkflow
from workflows.escalation import EscalationWorkflow


@asynccontextmanager
async def time_skipping_server() -> AsyncIterator[WorkflowEnvironment]:
    """With the codec on, and the search attributes that `deploy/temporal/namespace.sh` makes on a real one."""
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=test_server(), data_converter=data_converter(FixedKeys())
    ) as environment:
        keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
        await environment.client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(
                namespace=environment.client.namespace, search_attributes={key.name: keyword for key in KEYS}
            )
        )
        yield environment


def test_server() -> str:
    binary = shutil.which("temporal-test-server", path=str(Path(sys.executable).parent))
    assert binary is not None, "temporal-test-server is not beside the interpreter: is the venv in sync?"
    return binary


@pytest.fixture
async def skipping() -> AsyncIterator[WorkflowEnvironment]:
    async with time_skipping_server() as environment:
        yield environment


@dataclass(slots=True)
class Stage:
    """A worker with scripted steps, and handles on what runs there."""

    environment: WorkflowEnvironment
    steps: Scripted
    queue: str

    async def say(self, turn: int, state: ConversationState | None = None) -> WorkflowHandle[Any, Any]:
        """Signals a message of this turn, and starts the conversation where none runs."""
        started = await self.environment.client.start_workflow(
            CONVERSATION_WORKFLOW,
            state or ConversationState(TENANT, CONVERSATION),
            id=conversation_workflow_id(TENANT, CONVERSATION),
            task_queue=self.queue,
            # A signal during a long step is seen after four fifths of this.
            task_timeout=timedelta(seconds=3),
            start_signal="post_message",
            start_signal_args=[PostMessage(uuid4(), turn)],
        )
        # Of the conversation, not of one of its runs.
        return self.environment.client.get_workflow_handle(started.id)

    async def escalate(self, state: EscalationState | None = None) -> WorkflowHandle[Any, Any]:
        return await self.environment.client.start_workflow(
            ESCALATION_WORKFLOW,
            state or EscalationState(TENANT, ESCALATION, CONVERSATION),
            id=escalation_workflow_id(TENANT, ESCALATION),
            task_queue=self.queue,
        )

    def escalation(self) -> WorkflowHandle[Any, Any]:
        return self.environment.client.get_workflow_handle(escalation_workflow_id(TENANT, ESCALATION))


def sandboxed(
    client: Client, queue: str, workflows: Sequence[type], activities: Sequence[Callable[..., Any]], **more: Any
) -> Worker:
    """With a name for its build: left to itself the SDK hashes every module that is loaded, for five to ten seconds."""
    return Worker(
        client, task_queue=queue, workflows=workflows, activities=activities,
        workflow_runner=sandboxed_runner(), build_id="test", **more,
    )  # fmt: skip


@asynccontextmanager
async def acting(environment: WorkflowEnvironment) -> AsyncIterator[Stage]:
    steps, queue = Scripted(), f"test-{uuid4()}"
    workflows = (ConversationWorkflow, EscalationWorkflow)
    async with sandboxed(environment.client, queue, workflows, steps.all):
        yield Stage(environment, steps, queue)


@pytest.fixture
async def stage(skipping: WorkflowEnvironment) -> AsyncIterator[Stage]:
    async with acting(skipping) as made:
        yield made
