"""A conversation as a durable entity: messages are queued by number, one turn runs at a time."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from uuid import UUID

    from activities.signatures import CorrectionSteps, EscalationSteps
    from schema.follow_ups import CorrectConversation
    from schema.steps import (
        CONVERSATION_WORKFLOW,
        ESCALATION_WORKFLOW,
        ConversationRef,
        ConversationState,
        Correction,
        Delivered,
        EscalationState,
        OpenEscalation,
        PostMessage,
        RequestHuman,
        Stop,
        TurnRef,
        Understanding,
        escalation_workflow_id,
    )
    from schema.visibility import CHANNEL, ESCALATION, INTENT, STATUS, TENANT, shown_intent
    from workflows.steps import StepFailed, run_step
    from workflows.turn import TurnRun
    from workflows.visibility import Story, show

HISTORY_EVENTS_MAX = 500


@workflow.defn(name=CONVERSATION_WORKFLOW)
class ConversationWorkflow:
    @workflow.init
    def __init__(self, state: ConversationState) -> None:
        self._state = state
        self._turn: TurnRun | None = None
        self._active_at = workflow.now()
        self._idle = False
        self._story = Story()

    @workflow.run
    async def run(self, state: ConversationState) -> None:
        idle_watch = asyncio.create_task(self._watch_idleness())
        while True:
            await workflow.wait_condition(lambda: self._has_work() or self._idle or self._state.closed)
            if not self._has_work():
                break
            await self._work()
            if self._history_is_long():
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(self._state)
        idle_watch.cancel()
        if self._state.closed:
            show({STATUS: "closed"})
        await workflow.wait_condition(workflow.all_handlers_finished)

    @workflow.signal
    def post_message(self, message: PostMessage) -> None:
        """A turn has a message. The same message again changes nothing: the number only grows."""
        self._state.requested_turn = max(self._state.requested_turn, message.turn)
        self._stay_awake()

    @workflow.signal
    def stop(self, stop: Stop) -> None:
        if self._turn is not None and self._turn.ref.turn == stop.turn:
            self._turn.stop()

    @workflow.signal
    def request_human(self, request: RequestHuman) -> None:
        if request not in self._state.requests:
            self._state.requests.append(request)
        self._stay_awake()

    @workflow.signal
    def correct(self, correction: Correction) -> None:
        """Whoever sends it sends it again until it was done, so it may be lost where it came too early: a run whose
        first one was heard by a worker that did not know it yet takes none to its end.
        """
        if workflow.patched("corrections") and correction not in self._state.corrections:
            self._state.corrections.append(correction)

    @workflow.signal
    def close(self) -> None:
        """The conversation was closed in the database; what is queued is still finished."""
        self._state.closed = True
        self._story.tell("closed")

    @workflow.signal
    def escalation_closed(self, escalation_id: UUID) -> None:
        self._story.tell(f"the AI goes on: escalation {escalation_id} is closed")
        if workflow.info().typed_search_attributes.get(ESCALATION) == str(escalation_id):
            show({STATUS: "active", ESCALATION: None})
        self._stay_awake()

    @workflow.query
    def get_state(self) -> ConversationState:
        return self._state

    def _has_work(self) -> bool:
        return bool(self._state.requests) or self._has_turn() or bool(self._state.corrections)

    def _has_turn(self) -> bool:
        return self._state.requested_turn > self._state.done_turn

    def _stay_awake(self) -> None:
        self._active_at = workflow.now()
        self._idle = False

    async def _watch_idleness(self) -> None:
        # One timer for the run, looked at again when it fires: a timer per turn would cost two events each.
        limit = timedelta(seconds=self._state.idle_s)
        while (left := self._active_at + limit - workflow.now()) > timedelta(0):
            await workflow.sleep(left, summary="idle")
        self._idle = True

    async def _work(self) -> None:
        if self._state.requests:
            await self._open_escalation(self._state.requests[0])
            self._state.requests.pop(0)
            return
        if not self._has_turn():
            await self._correct(self._state.corrections[0])
            self._state.corrections.pop(0)
            return
        ref = TurnRef(self._state.tenant_id, self._state.conversation_id, self._state.requested_turn)
        self._turn = TurnRun(ref)
        try:
            delivered = await self._turn.run()
            self._state.done_turn = self._turn.ref.turn
            understanding = self._turn.understanding
        finally:
            self._turn = None
        self._show_turn(understanding, delivered)
        if delivered.escalation_id is not None:
            wanted = understanding if delivered.outcome == "escalated" else None
            await self._start_escalation(delivered.escalation_id, wanted)
            if delivered.raised:
                await self._tell_escalation(delivered.escalation_id)

    async def _tell_escalation(self, escalation_id: UUID) -> None:
        name = escalation_workflow_id(self._state.tenant_id, escalation_id)
        try:
            await workflow.get_external_workflow_handle(name).signal("look_again")
        except ApplicationError:
            workflow.logger.info("the escalation has ended")

    async def _open_escalation(self, request: RequestHuman) -> None:
        ref = ConversationRef(self._state.tenant_id, self._state.conversation_id)
        opened = await run_step(
            EscalationSteps.open_escalation, OpenEscalation(ref, request.request_id, request.requested_by)
        )
        if opened is not None:
            show({STATUS: "waiting_human", ESCALATION: str(opened.escalation_id)})
            await self._start_escalation(opened.escalation_id, None)

    async def _correct(self, correction: Correction) -> None:
        ref = ConversationRef(self._state.tenant_id, self._state.conversation_id)
        try:
            corrected = await run_step(CorrectionSteps.correct_conversation, CorrectConversation(ref, correction))
        except StepFailed:
            workflow.logger.warning("not corrected")
            return
        self._story.tell(f"version {correction.version} of {correction.source_id} withdrawn: {corrected.status}")
        if corrected.waits:
            show({STATUS: "waiting_human", ESCALATION: str(corrected.escalation_id)})
        if corrected.escalation_id is not None:
            await self._start_escalation(corrected.escalation_id, None)
        # A run that was started for this alone need not wait for messages that cannot come.
        self._state.closed = self._state.closed or corrected.closed

    async def _start_escalation(self, escalation_id: UUID, understanding: Understanding | None) -> None:
        state = EscalationState(self._state.tenant_id, escalation_id, self._state.conversation_id, understanding)
        try:
            await workflow.start_child_workflow(
                ESCALATION_WORKFLOW,
                state,
                id=escalation_workflow_id(self._state.tenant_id, escalation_id),
                # The conversation continues as new and ends when idle; its escalation must outlive both.
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                # A person's decision waits no longer for a dead worker than a customer's message does.
                task_timeout=workflow.info().task_timeout,
                # A turn that is tried again must not open what a person has closed.
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                static_summary="A person is asked to help",
                search_attributes=self._shown_to(escalation_id),
            )
        except WorkflowAlreadyStartedError:
            workflow.logger.info("escalation already runs")
            return
        self._story.tell(f"a person is asked: escalation {escalation_id}")

    def _show_turn(self, found: Understanding | None, delivered: Delivered) -> None:
        """The turn's end to ops; what was not looked into in this turn stays as it was."""
        forwarded = found is not None and found.state == "with_human"
        waits = delivered.escalation_id is not None and not forwarded
        escalation = str(delivered.escalation_id) if delivered.escalation_id is not None else None
        values: dict[SearchAttributeKey[str], str | None] = {ESCALATION: escalation}
        if found is not None and found.state != "done":
            values |= {STATUS: found.status, CHANNEL: found.channel}
        if found is not None and found.state == "begun":
            values[INTENT] = shown_intent(found.intent)
        if waits:
            values[STATUS] = "waiting_human"
        show(values)
        about = f": {values[INTENT]}" if INTENT in values else ""
        self._story.tell(f"turn {self._state.done_turn} {delivered.outcome}{about}")

    def _shown_to(self, escalation_id: UUID) -> TypedSearchAttributes:
        """An escalation is found by what its conversation is found by, and by its own status."""
        known = workflow.info().typed_search_attributes
        inherited = [pair for pair in known if pair.key in (TENANT, CHANNEL, INTENT)]
        own = [SearchAttributePair(STATUS, "open"), SearchAttributePair(ESCALATION, str(escalation_id))]
        return TypedSearchAttributes([*inherited, *own])

    def _history_is_long(self) -> bool:
        info = workflow.info()
        return info.is_continue_as_new_suggested() or info.get_current_history_length() > HISTORY_EVENTS_MAX
