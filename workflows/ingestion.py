"""A document becomes searchable passages that wait for a reviewer, and an approved version goes live in its time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.signatures import KnowledgeSteps
    from schema.ingestion import (
        FAILURES,
        INGESTION_WORKFLOW,
        PUBLICATION_WORKFLOW,
        FailVersion,
        Progress,
        Publish,
        VersionRef,
    )

Work = TypeVar("Work")
Result = TypeVar("Result")

# Nobody waits on the line: a database that is away is waited for.
PATIENT = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30))
STEP_WITHIN = timedelta(minutes=5)
HEARTBEAT = timedelta(seconds=30)


@workflow.defn(name=INGESTION_WORKFLOW)
class IngestionWorkflow:
    """Parse, then cut, encode and store batch by batch, then hand over to review. A document's size is limited, so
    that its batches fit into one history: about 160 at most."""

    @workflow.run
    async def run(self, ref: VersionRef) -> None:
        try:
            await self._ingest(ref)
        except ActivityError as error:
            code = _failure(error)
            _show(f"failed: {code}")
            await _step(KnowledgeSteps.fail_version, FailVersion(ref, code))

    async def _ingest(self, ref: VersionRef) -> None:
        _show("parsing")
        progress: Progress = await _step(KnowledgeSteps.parse_version, ref)
        while progress.done < progress.total:
            _show(f"embedding: {progress.done} of {progress.total} chunks, {progress.reused} reused")
            progress = await _step(KnowledgeSteps.embed_chunks, ref)
        await _step(KnowledgeSteps.finish_ingestion, ref)
        _show(f"waits for review: {progress.total} chunks, {progress.reused} reused")


@workflow.defn(name=PUBLICATION_WORKFLOW)
class PublicationWorkflow:
    """Waits, for months if need be, and publishes. What was decided otherwise meanwhile is found by the step."""

    @workflow.run
    async def run(self, work: Publish) -> None:
        left = work.at - workflow.now()
        if left > timedelta(0):
            _show(f"publishes at {work.at.isoformat()}")
            await workflow.sleep(left, summary="until its time")
        # Local: a document that is being encoded does not keep it waiting.
        published = await workflow.execute_local_activity_method(
            KnowledgeSteps.publish_version, work, start_to_close_timeout=timedelta(seconds=20), retry_policy=PATIENT
        )
        _show("published" if published else "not published: it was decided otherwise")


async def _step(step: Callable[[Any, Work], Coroutine[Any, Any, Result]], work: Work) -> Result:
    return await workflow.execute_activity_method(
        step, work, start_to_close_timeout=STEP_WITHIN, heartbeat_timeout=HEARTBEAT, retry_policy=PATIENT
    )


def _failure(error: ActivityError) -> str:
    cause = error.cause
    known = isinstance(cause, ApplicationError) and cause.type in FAILURES
    return str(cause.type) if known and isinstance(cause, ApplicationError) else "internal"


def _show(details: str) -> None:
    """What the Temporal UI shows beside the run."""
    workflow.set_current_details(details)
