"""The steps under the names that workflows know, with their resources in hand."""

from __future__ import annotations

from temporalio import activity

from activities import delivery, escalation, generation, understanding
from activities.resources import Resources
from activities.signatures import EscalationSteps, TurnSteps
from schema.steps import (
    ApplyClaim,
    ApplyDeadline,
    ApplyDecision,
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


class Turns(TurnSteps):
    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    @activity.defn
    async def understand(self, turn: TurnRef) -> Understanding:
        return await understanding.understand(self._resources, turn)

    @activity.defn
    async def generate(self, work: Generate) -> Generated:
        return await generation.generate(self._resources, work)

    @activity.defn
    async def deliver(self, work: Deliver) -> Delivered:
        return await delivery.deliver(self._resources, work)


class Escalations(EscalationSteps):
    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    @activity.defn
    async def open_escalation(self, work: OpenEscalation) -> EscalationRef | None:
        return await escalation.open_escalation(self._resources, work)

    @activity.defn
    async def load_escalation(self, ref: EscalationRef) -> EscalationOutcome:
        return await escalation.load_escalation(self._resources, ref)

    @activity.defn
    async def apply_claim(self, work: ApplyClaim) -> EscalationOutcome:
        return await escalation.apply_claim(self._resources, work)

    @activity.defn
    async def apply_decision(self, work: ApplyDecision) -> EscalationOutcome:
        return await escalation.apply_decision(self._resources, work)

    @activity.defn
    async def apply_deadline(self, work: ApplyDeadline) -> EscalationOutcome:
        return await escalation.apply_deadline(self._resources, work)
