"""A tenant's knowledge gets its vectors in another space, searches switch to it at one moment, the old vectors go."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.signatures import EmbedderSteps
    from schema.embedders import EMBEDDER_CHANGE_WORKFLOW, Embedded, EmbedMore
    from workflows.steps import run_batch_step, run_beating_step

HISTORY_EVENTS_MAX = 2_000
REST = timedelta(seconds=1)
REST_AT_LAST = timedelta(minutes=1)


@workflow.defn(name=EMBEDDER_CHANGE_WORKFLOW)
class EmbedderChangeWorkflow:
    def __init__(self) -> None:
        self._woken = False

    @workflow.signal
    def wake(self) -> None:
        """It was called off, or what it waits for is there: it looks at once."""
        self._woken = True

    @workflow.run
    async def run(self, work: EmbedMore) -> None:
        kept = timedelta(seconds=await self._until_switched(work))
        if kept > timedelta(0):
            workflow.set_current_details("in force; the old vectors are kept for a while")
            await workflow.sleep(kept, summary="so long, going back costs nothing")
        while await run_batch_step(EmbedderSteps.remove_old_vectors, work.ref):
            pass

    async def _until_switched(self, work: EmbedMore) -> float:
        """For how many seconds the old vectors are to be kept; none where it was cancelled."""
        rest = REST
        while True:
            step = await run_beating_step(EmbedderSteps.embed_more, work)
            if not step.open:
                return 0.0
            workflow.set_current_details(_told(step))
            work = replace(work, after=step.after)
            if step.trouble:
                # It asked for so long, or each time for longer: what fails for hours is not asked many times a minute.
                await self._rest(max(rest, timedelta(seconds=step.wait_s)), step.trouble)
                rest = min(2 * rest, REST_AT_LAST)
            elif step.at_end:
                switched = await run_batch_step(EmbedderSteps.switch_embedder, work.ref)
                if switched.switched:
                    return switched.keep_s
                work = replace(work, after=None)
                await workflow.sleep(REST, summary="until what was stored meanwhile can be seen")
            else:
                rest = REST
            if workflow.info().get_current_history_length() > HISTORY_EVENTS_MAX:
                workflow.continue_as_new(work)

    async def _rest(self, at_most: timedelta, trouble: str) -> None:
        self._woken = False
        with suppress(TimeoutError):
            await workflow.wait_condition(lambda: self._woken, timeout=at_most, timeout_summary=trouble)


def _told(step: Embedded) -> str:
    told = f"{step.done} of {step.total} chunks"
    return f"{told}; waits: {step.trouble}" if step.trouble else told
