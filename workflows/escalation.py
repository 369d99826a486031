"""An escalation: a person claims it, decides, answers; the clock runs beside it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.signatures import EscalationSteps
    from schema.steps import (
        DRAFT_ACTIONS,
        ESCALATION_WORKFLOW,
        OPS_ACTIONS,
        ApplyClaim,
        ApplyDeadline,
        ApplyDecision,
        Claim,
        Deadline,
        Decide,
        EscalationOutcome,
        EscalationRef,
        EscalationState,
        Generate,
        TurnRef,
        conversation_workflow_id,
    )
    from schema.visibility import STATUS
    from workflows.steps import StepFailed, run_step, start_generation, write_draft
    from workflows.visibility import Story, show

HISTORY_EVENTS_MAX = 500
APPLY_WITHIN = timedelta(seconds=60)


@workflow.defn(name=ESCALATION_WORKFLOW)
class EscalationWorkflow:
    @workflow.init
    def __init__(self, state: EscalationState) -> None:
        self._state = state
        self._ref = EscalationRef(state.tenant_id, state.escalation_id)
        self._changes = 0
        self._story = Story()
        # Two agents who decide in the same moment: the second must see what the first has done.
        self._one_at_a_time = asyncio.Lock()

    @workflow.run
    async def run(self, state: EscalationState) -> None:
        if not state.loaded:
            await self._load()
        draft = asyncio.create_task(self._draft_reply())
        while not self._state.closed:
            await self._wait_for_change_or_deadline()
            if workflow.info().get_current_history_length() > HISTORY_EVENTS_MAX and not self._state.closed:
                await draft
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(self._state)
        await draft
        await workflow.wait_condition(workflow.all_handlers_finished)
        await self._tell_conversation()

    @workflow.update
    async def decide(self, decision: Decide) -> EscalationOutcome:
        return await self._apply_decision(decision, by_ops=False)

    @decide.validator
    def validate_decide(self, decision: Decide) -> None:
        self._refuse_if_closed()
        if decision.action in DRAFT_ACTIONS and self._state.draft_decided:
            raise ApplicationError("this draft has been decided", type="already_decided")

    @workflow.signal(name="decide")
    async def decide_by_ops(self, decision: Decide) -> None:
        """From the Temporal UI or CLI: no text, so only what needs none. What is refused is logged and audited."""
        try:
            if decision.action not in OPS_ACTIONS:
                raise ApplicationError(f"a signal cannot {decision.action}", type="not_for_ops")
            self.validate_decide(decision)
            await self._apply_decision(decision, by_ops=True)
        except StepFailed as error:
            # An error in a signal handler would fail the workflow task for ever.
            workflow.logger.warning("decision by signal refused", extra={"cause": str(getattr(error, "cause", error))})

    @workflow.update
    async def claim(self, claim: Claim) -> EscalationOutcome:
        return await self._apply_claim(claim, release=False)

    @claim.validator
    def validate_claim(self, claim: Claim) -> None:
        self._refuse_if_closed()

    @workflow.update
    async def release(self, claim: Claim) -> EscalationOutcome:
        return await self._apply_claim(claim, release=True)

    @release.validator
    def validate_release(self, claim: Claim) -> None:
        self._refuse_if_closed()

    @workflow.signal
    async def look_again(self) -> None:
        """What the customer said meanwhile may have brought its deadlines nearer."""
        async with self._one_at_a_time:
            if not self._state.closed:
                self._changed("looked at again", await run_step(EscalationSteps.load_escalation, self._ref))

    @workflow.query
    def get_state(self) -> EscalationState:
        return self._state

    def _refuse_if_closed(self) -> None:
        if self._state.closed:
            raise ApplicationError("this escalation is closed", type="escalation_closed")

    async def _apply_decision(self, decision: Decide, by_ops: bool) -> EscalationOutcome:
        async with self._one_at_a_time:
            self.validate_decide(decision)
            work = ApplyDecision(self._ref, decision, by_ops)
            outcome = await run_step(EscalationSteps.apply_decision, work, give_up=APPLY_WITHIN)
            return self._changed(f"{decision.action} by {decision.actor_id}", outcome)

    async def _apply_claim(self, claim: Claim, release: bool) -> EscalationOutcome:
        async with self._one_at_a_time:
            self._refuse_if_closed()
            work = ApplyClaim(self._ref, claim, release)
            outcome = await run_step(EscalationSteps.apply_claim, work, give_up=APPLY_WITHIN)
            what = "released" if release else f"given to {claim.agent_id or claim.actor_id}"
            return self._changed(f"{what} by {claim.actor_id}", outcome)

    def _changed(self, what: str, outcome: EscalationOutcome) -> EscalationOutcome:
        self._state.closed = outcome.status == "closed"
        self._state.draft_decided = outcome.draft_decided
        self._state.deadlines = outcome.deadlines
        self._changes += 1
        show({STATUS: outcome.status})
        self._story.tell(f"{what}: {outcome.status}")
        return outcome

    async def _load(self) -> None:
        facts = await run_step(EscalationSteps.load_escalation, self._ref)
        self._state.loaded = True
        self._state.draft_decided = facts.draft_decided
        self._state.closed = facts.status == "closed"
        self._state.deadlines = facts.deadlines
        show({STATUS: facts.status})

    async def _draft_reply(self) -> None:
        """A draft for the agent, so that they need not begin with an empty page. Without one they still can answer."""
        found, self._state.understanding = self._state.understanding, None
        for generator in found.generators if found is not None and found.wants_draft else ():
            assert found is not None
            ref = TurnRef(self._state.tenant_id, self._state.conversation_id, found.turn)
            try:
                work = Generate(ref, generator, found, self._state.escalation_id)
                await (write_draft(work) if workflow.patched("draft-beside") else start_generation(work))
                return
            except StepFailed:
                workflow.logger.warning("no draft", extra={"generator": generator})

    async def _wait_for_change_or_deadline(self) -> None:
        seen = self._changes
        deadline: Deadline | None = min(self._state.deadlines, key=lambda each: each.at, default=None)
        left = None if deadline is None else max(deadline.at - workflow.now(), timedelta(0))
        try:
            await workflow.wait_condition(
                lambda: self._changes != seen or self._state.closed,
                timeout=left,
                timeout_summary=None if deadline is None else f"{deadline.kind} at {deadline.at.isoformat()}",
            )
        except TimeoutError:
            assert deadline is not None
            async with self._one_at_a_time:
                if deadline in self._state.deadlines:
                    work = ApplyDeadline(self._ref, deadline)
                    outcome = await run_step(EscalationSteps.apply_deadline, work)
                    self._changed(f"{deadline.kind} has passed", outcome)

    async def _tell_conversation(self) -> None:
        conversation = conversation_workflow_id(self._state.tenant_id, self._state.conversation_id)
        try:
            await workflow.get_external_workflow_handle(conversation).signal(
                "escalation_closed", self._state.escalation_id
            )
        except ApplicationError:
            workflow.logger.info("the conversation's run has ended: its next message starts one")
