"""Ingestion and publication as workflows: batches, typed failures, and a moment that is weeks away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from schema.ingestion import (
    FAILURES,
    INGESTION_WORKFLOW,
    PUBLICATION_WORKFLOW,
    SYNC_WORKFLOW,
    Publish,
    ingestion_workflow_id,
    publication_workflow_id,
    sync_id,
)
from tests.workflows.conftest import sandboxed
from tests.workflows.scripted import TENANT
from tests.workflows.scripted_batch import VERSION, ScriptedKnowledge
from worker import steps_of
from workflows.ingestion import IngestionWorkflow, PublicationWorkflow
from workflows.syncing import SyncWorkflow


@asynccontextmanager
async def working(client: Client, steps: ScriptedKnowledge) -> AsyncIterator[str]:
    queue = f"batch-{uuid4()}"
    workflows = (IngestionWorkflow, PublicationWorkflow, SyncWorkflow)
    async with sandboxed(client, queue, workflows, steps_of(steps)):
        yield queue


async def ingest(environment: WorkflowEnvironment, steps: ScriptedKnowledge) -> Any:
    async with working(environment.client, steps) as queue:
        return await environment.client.execute_workflow(
            INGESTION_WORKFLOW, VERSION, id=ingestion_workflow_id(VERSION), task_queue=queue
        )


async def test_batch_by_batch_until_all_are_stored(skipping: WorkflowEnvironment) -> None:
    steps = ScriptedKnowledge()
    await ingest(skipping, steps)
    assert steps.calls == ["parse", "embed", "embed", "embed", "finish"]
    assert steps.failed == []


async def test_what_is_due_is_looked_at_and_what_has_changed_is_ingested(skipping: WorkflowEnvironment) -> None:
    steps = ScriptedKnowledge()
    async with working(skipping.client, steps) as queue:
        await skipping.client.execute_workflow(SYNC_WORKFLOW, id=sync_id(TENANT), task_queue=queue)
        await skipping.client.get_workflow_handle(ingestion_workflow_id(VERSION)).result()
    assert steps.calls.count("sync") == 3
    assert steps.calls[-1] == "finish"


@pytest.mark.parametrize("code", sorted(FAILURES))
@pytest.mark.parametrize("step", ["parse", "embed"])
async def test_a_typed_failure_ends_it_with_that_code(skipping: WorkflowEnvironment, step: str, code: str) -> None:
    steps = ScriptedKnowledge((step, ApplicationError("no", type=code, non_retryable=True)))
    await ingest(skipping, steps)
    assert steps.failed == [code]
    assert "finish" not in steps.calls


async def test_a_bug_ends_it_as_ours(skipping: WorkflowEnvironment) -> None:
    steps = ScriptedKnowledge(("embed", ApplicationError("KeyError", type="bug", non_retryable=True)))
    await ingest(skipping, steps)
    assert steps.failed == ["internal"]


async def test_what_passes_by_itself_is_tried_again(skipping: WorkflowEnvironment) -> None:
    class Away(ScriptedKnowledge):
        def _called(self, step: str) -> None:
            super()._called(step)
            if self.calls.count("embed") == 1 and step == "embed":
                raise OSError("the database is away")

    steps = Away()
    await ingest(skipping, steps)
    assert steps.calls == ["parse", "embed", "embed", "embed", "embed", "finish"]
    assert steps.failed == []


async def test_an_approval_for_later_waits_for_its_time(skipping: WorkflowEnvironment) -> None:
    steps = ScriptedKnowledge()
    before = await skipping.get_current_time()
    async with working(skipping.client, steps) as queue:
        await skipping.client.execute_workflow(
            PUBLICATION_WORKFLOW,
            Publish(VERSION, before + timedelta(days=40)),
            id=publication_workflow_id(VERSION),
            task_queue=queue,
        )
    assert steps.calls == ["publish"]
    assert await skipping.get_current_time() - before >= timedelta(days=40)
