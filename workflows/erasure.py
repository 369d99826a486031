"""A customer is erased: frozen, their conversations ended and copied for the regulator, their key destroyed."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.signatures import PrivacySteps
    from schema.privacy import ERASURE_WORKFLOW, RequestRef
    from workflows.steps import run_batch_step

LOOK_EVERY = timedelta(hours=1)
FORGET_EVERY = timedelta(seconds=2)
HISTORY_EVENTS_MAX = 2_000


@workflow.defn(name=ERASURE_WORKFLOW)
class ErasureWorkflow:
    @workflow.init
    def __init__(self, ref: RequestRef) -> None:
        self._told = False

    @workflow.run
    async def run(self, ref: RequestRef) -> None:
        while await run_batch_step(PrivacySteps.freeze_customer, ref) == "held":
            workflow.set_current_details("held: a legal hold stands")
            await self._wait_for_release()
            if workflow.info().get_current_history_length() > HISTORY_EVENTS_MAX:
                workflow.continue_as_new(ref)
        workflow.set_current_details("ending the conversations")
        await run_batch_step(PrivacySteps.end_conversations, ref)
        workflow.set_current_details("erasing the conversations")
        while await run_batch_step(PrivacySteps.erase_conversations, ref):
            pass
        await run_batch_step(PrivacySteps.destroy_key, ref)
        workflow.set_current_details("the key is destroyed; deleting what can no longer be read")
        # Temporal deletes in its own time.
        while await run_batch_step(PrivacySteps.forget_histories, ref):
            await workflow.sleep(FORGET_EVERY, summary="until Temporal has deleted the histories")
        await run_batch_step(PrivacySteps.finish_erasure, ref)
        workflow.set_current_details("erased")

    @workflow.signal
    def look_again(self) -> None:
        """A hold was released."""
        self._told = True

    async def _wait_for_release(self) -> None:
        """Returns at once where a hold was released after the look that found it began: nothing tells of it again."""
        if not workflow.patched("release-during-a-look"):
            self._told = False
        with suppress(TimeoutError):
            await workflow.wait_condition(lambda: self._told, timeout=LOOK_EVERY, timeout_summary="looks at the holds")
        self._told = False
