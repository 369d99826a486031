"""The customers of a withdrawn version, conversation by conversation, until each was told or is a person's to tell."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.signatures import FollowUpSteps
    from schema.follow_ups import FOLLOW_UP_WORKFLOW, FollowedUp, FollowUpRef
    from workflows.steps import BATCH_PATIENT, BATCH_STEP_WITHIN

LOOKS_AGAIN = timedelta(seconds=1)
LOOKS_AGAIN_AT_LAST = timedelta(minutes=1)
HEARTBEAT = timedelta(seconds=15)
"""A worker that died is noticed after it; one that lives beats every 5 s."""
HISTORY_EVENTS_MAX = 2_000


@workflow.defn(name=FOLLOW_UP_WORKFLOW)
class FollowUpWorkflow:
    @workflow.run
    async def run(self, ref: FollowUpRef) -> None:
        before, rest = -1, LOOKS_AGAIN
        while True:
            found = await self._tell(ref)
            workflow.set_current_details(f"{found.done} of {found.total} conversations")
            if found.done == found.total:
                return
            if workflow.info().get_current_history_length() > HISTORY_EVENTS_MAX:
                workflow.continue_as_new(ref)
            # Where nothing moves, what the conversations wait for is asked for less and less often.
            rest = LOOKS_AGAIN if found.done > before else min(2 * rest, LOOKS_AGAIN_AT_LAST)
            before = found.done
            await workflow.sleep(rest, summary="until the conversations have been corrected")

    async def _tell(self, ref: FollowUpRef) -> FollowedUp:
        return await workflow.execute_activity_method(
            FollowUpSteps.tell_conversations,
            ref,
            start_to_close_timeout=BATCH_STEP_WITHIN,
            heartbeat_timeout=HEARTBEAT,
            retry_policy=BATCH_PATIENT,
            summary="tell_conversations",
        )
