"""Steps under their real names that do what a test tells them, and remember what they were asked."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.signatures import CorrectionSteps, EscalationSteps, TurnSteps
from helios.crypto import TenantKeys
from helios.customer_keys import CustomerKeys
from schema.follow_ups import CorrectConversation, Corrected
from schema.steps import (
    ApplyClaim,
    ApplyDeadline,
    ApplyDecision,
    Deadline,
    Deliver,
    Delivered,
    EscalationOutcome,
    EscalationRef,
    Generate,
    Generated,
    OpenEscalation,
    TurnRef,
    Understanding,
)

TENANT = UUID("01900000-0000-7000-8000-000000000001")
CONVERSATION = UUID("01900000-0000-7000-8000-0000000000c1")
ESCALATION = UUID("01900000-0000-7000-8000-0000000000e1")
AGENT = UUID("01900000-0000-7000-8000-0000000000a1")


class FixedKeys:
    """One tenant's key, the same for ever: golden histories must open next year, too. It protects nothing."""

    def __init__(self) -> None:
        self._keys = TenantKeys(TENANT, {1: b"golden histories hold no secret!"})

    async def tenant(self, tenant_id: UUID) -> TenantKeys:
        assert tenant_id == TENANT
        return self._keys

    reload = tenant

    async def customer(self, tenant_id: UUID, customer_id: UUID) -> CustomerKeys:
        return CustomerKeys(self._keys, customer_id, None, None)

    async def workflow(self, workflow_id: str) -> TenantKeys:
        return self._keys


class Scripted(TurnSteps, EscalationSteps, CorrectionSteps):
    """`on_*` answer a step; `calls` has what each was asked."""

    def __init__(self) -> None:
        self.calls: dict[str, list[Any]] = defaultdict(list)
        self.on_understand: Callable[[TurnRef], Understanding] = lambda ref: Understanding(
            ref.turn, "begun", generators=["offline"]
        )
        self.on_generate: Callable[[Generate], Generated] = lambda work: Generated("complete")
        self.on_deliver: Callable[[Deliver], Delivered] = self._deliver
        self.on_correct: Callable[[CorrectConversation], Corrected] = lambda work: Corrected("told")
        self.generation_waits: asyncio.Event | None = None
        self.status = "open"
        self.draft_decided = False
        self.deadlines: list[Deadline] = []
        self.refusal: str | None = None

    @property
    def all(self) -> list[Callable[..., Any]]:
        return [self.understand, self.generate, self.deliver, self.open_escalation, self.load_escalation,
                self.apply_claim, self.apply_decision, self.apply_deadline, self.correct_conversation]  # fmt: skip

    @activity.defn
    async def understand(self, turn: TurnRef) -> Understanding:
        self.calls["understand"].append(turn)
        return self.on_understand(turn)

    @activity.defn
    async def generate(self, work: Generate) -> Generated:
        self.calls["generate"].append(work)
        if self.generation_waits is not None:
            try:
                await self.generation_waits.wait()
            except asyncio.CancelledError:
                return Generated("stopped")
        return self.on_generate(work)

    @activity.defn
    async def deliver(self, work: Deliver) -> Delivered:
        self.calls["deliver"].append(work)
        return self.on_deliver(work)

    @activity.defn
    async def open_escalation(self, work: OpenEscalation) -> EscalationRef | None:
        self.calls["open_escalation"].append(work)
        return EscalationRef(TENANT, ESCALATION)

    @activity.defn
    async def correct_conversation(self, work: CorrectConversation) -> Corrected:
        self.calls["correct_conversation"].append(work)
        return self.on_correct(work)

    @activity.defn
    async def load_escalation(self, ref: EscalationRef) -> EscalationOutcome:
        self.calls["load_escalation"].append(ref)
        return self._outcome()

    @activity.defn
    async def apply_claim(self, work: ApplyClaim) -> EscalationOutcome:
        self.calls["apply_claim"].append(work)
        self.status = "open" if work.release else "claimed"
        return self._outcome()

    @activity.defn
    async def apply_decision(self, work: ApplyDecision) -> EscalationOutcome:
        self.calls["apply_decision"].append(work)
        if self.refusal is not None:
            raise ApplicationError("refused", type=self.refusal, non_retryable=True)
        action = work.decision.action
        self.draft_decided = self.draft_decided or action in ("approve", "edit", "reject")
        self.status = "closed" if action in ("resolve", "hand_back") else "decided"
        return self._outcome()

    @activity.defn
    async def apply_deadline(self, work: ApplyDeadline) -> EscalationOutcome:
        self.calls["apply_deadline"].append(work)
        self.deadlines = [each for each in self.deadlines if each != work.deadline]
        return self._outcome()

    def _outcome(self) -> EscalationOutcome:
        deadlines = [] if self.status == "closed" else self.deadlines
        return EscalationOutcome(self.status, self.draft_decided, deadlines)  # type: ignore[arg-type]

    def _deliver(self, work: Deliver) -> Delivered:
        escalated = work.outcome in ("escalated", "held") and not work.forwarded
        return Delivered(work.outcome, ESCALATION if escalated else None)


def in_minutes(minutes: float, start: datetime | None = None) -> datetime:
    return (start or datetime.now(UTC)) + timedelta(minutes=minutes)
