"""An erasure that a legal hold stops goes on once the hold is released."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid4

from temporalio import activity
from temporalio.testing import WorkflowEnvironment

from schema.privacy import ERASURE_WORKFLOW, RequestRef, request_workflow_id
from tests.workflows.conftest import sandboxed
from tests.workflows.scripted_batch import REQUEST, ScriptedPrivacy
from worker import steps_of
from workflows.erasure import LOOK_EVERY, ErasureWorkflow


class SlowLook(ScriptedPrivacy):
    """Its first look finds a hold and takes its time to say so."""

    def __init__(self) -> None:
        super().__init__(holds=1)
        self.looks, self.goes_on = asyncio.Event(), asyncio.Event()

    @activity.defn
    async def freeze_customer(self, ref: RequestRef) -> str:
        self.looks.set()
        await self.goes_on.wait()
        return await super().freeze_customer(ref)


async def test_a_release_while_it_looks_at_the_holds_is_heard(skipping: WorkflowEnvironment) -> None:
    steps, queue, began = SlowLook(), f"batch-{uuid4()}", await skipping.get_current_time()
    async with sandboxed(skipping.client, queue, [ErasureWorkflow], steps_of(steps)):
        handle = await skipping.client.start_workflow(
            ERASURE_WORKFLOW, REQUEST, id=request_workflow_id(REQUEST, "erasure"), task_queue=queue
        )
        await steps.looks.wait()
        await handle.signal("look_again")
        steps.goes_on.set()
        await handle.result()
    assert await skipping.get_current_time() - began < LOOK_EVERY - timedelta(minutes=1)
