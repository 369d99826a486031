"""The customers of a withdrawn version, conversation by conversation, until each was told or is a person's to tell."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.signatures import FollowUpSteps
    from schema.follow_ups import FOLLOW_UP_WORKFLOW, FollowUpRef
    from workflows.steps import run_beating_step

LOOKS_AGAIN = timedelta(seconds=1)
LOOKS_AGAIN_AT_LAST = timedelta(minutes=1)
HISTORY_EVENTS_MAX = 2_000


@workflow.defn(name=FOLLOW_UP_WORKFLOW)
class FollowUpWorkflow:
    @workflow.run
    async def run(self, ref: FollowUpRef) -> None:
        before, rest = -1, LOOKS_AGAIN
        while True:
            found = await run_beating_step(FollowUpSteps.tell_conversations, ref)
            workflow.set_current_details(f"{found.done} of {found.total} conversations")
            if found.done == found.total:
                return
            if workflow.info().get_current_history_length() > HISTORY_EVENTS_MAX:
                workflow.continue_as_new(ref)
            # Where nothing moves, what the conversations wait for is asked for less and less often.
            rest = LOOKS_AGAIN if found.done > before else min(2 * rest, LOOKS_AGAIN_AT_LAST)
            before = found.done
            await workflow.sleep(rest, summary="until the conversations have been corrected")
