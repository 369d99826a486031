"""Ingestion and publication as workflows: batches, typed failures, and a moment that is weeks away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.signatures import KnowledgeSteps
from schema.ingestion import (
    FAILURES,
    INGESTION_WORKFLOW,
    PUBLICATION_WORKFLOW,
    SYNC_WORKFLOW,
    FailVersion,
    Progress,
    Publish,
    Synced,
    VersionRef,
    ingestion_workflow_id,
    publication_workflow_id,
    sync_id,
)
from schema.privacy import TenantRef
from tests.workflows.scripted import TENANT
from worker import sandboxed_runner
from workflows.ingestion import IngestionWorkflow, PublicationWorkflow
from workflows.syncing import SyncWorkflow

REF = VersionRef(TENANT, UUID("01900000-0000-7000-8000-0000000000d1"), 1)


class ScriptedKnowledge(KnowledgeSteps):
    """Five chunks in batches of two; `error` is raised by the named step."""

    def __init__(self, error: tuple[str, Exception] | None = None) -> None:
        self.calls: list[str] = []
        self.failed: list[str] = []
        self._error = error
        self._done = 0
        self._due = [Synced(True), Synced(True, REF)]

    def _called(self, step: str) -> None:
        self.calls.append(step)
        if self._error is not None and self._error[0] == step:
            raise self._error[1]

    @activity.defn
    async def parse_version(self, ref: VersionRef) -> Progress:
        self._called("parse")
        return Progress(5, 0)

    @activity.defn
    async def embed_chunks(self, ref: VersionRef) -> Progress:
        self._called("embed")
        self._done = min(5, self._done + 2)
        return Progress(5, self._done, 1)

    @activity.defn
    async def finish_ingestion(self, ref: VersionRef) -> None:
        self._called("finish")

    @activity.defn
    async def fail_version(self, work: FailVersion) -> None:
        self.failed.append(work.code)

    @activity.defn
    async def sync_next_page(self, ref: TenantRef) -> Synced:
        self._called("sync")
        return self._due.pop(0) if self._due else Synced(False)

    @activity.defn
    async def publish_version(self, work: Publish) -> bool:
        self._called("publish")
        return True


@asynccontextmanager
async def working(client: Client, steps: ScriptedKnowledge) -> AsyncIterator[str]:
    queue = f"batch-{uuid4()}"
    async with Worker(
        client,
        task_queue=queue,
        workflows=[IngestionWorkflow, PublicationWorkflow, SyncWorkflow],
        activities=[
            steps.parse_version,
            steps.embed_chunks,
            steps.finish_ingestion,
            steps.fail_version,
            steps.publish_version,
            steps.sync_next_page,
        ],
        workflow_runner=sandboxed_runner(),
    ):
        yield queue


async def ingest(environment: WorkflowEnvironment, steps: ScriptedKnowledge) -> Any:
    async with working(environment.client, steps) as queue:
        return await environment.client.execute_workflow(
            INGESTION_WORKFLOW, REF, id=ingestion_workflow_id(REF), task_queue=queue
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
        await skipping.client.get_workflow_handle(ingestion_workflow_id(REF)).result()
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
            Publish(REF, before + timedelta(days=40)),
            id=publication_workflow_id(REF),
            task_queue=queue,
        )
    assert steps.calls == ["publish"]
    assert await skipping.get_current_time() - before >= timedelta(days=40)
