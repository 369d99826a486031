"""One turn: understand, generate, deliver. Reads from top to bottom as the customer's message travels."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.signatures import TurnSteps
    from schema.steps import Deliver, Delivered, Generate, Generated, TurnRef, Understanding
    from workflows.steps import StepFailed, run_step, start_generation

UNDERSTAND_WITHIN = timedelta(minutes=5)


class TurnRun:
    """One turn of a conversation while it runs."""

    def __init__(self, ref: TurnRef) -> None:
        self.ref = ref
        self.understanding: Understanding | None = None
        self._generation: workflow.ActivityHandle[Generated] | None = None
        self._stopped = False

    def stop(self) -> None:
        """The customer has read enough: what was released stays, the rest is not written."""
        self._stopped = True
        if self._generation is not None:
            self._generation.cancel()

    async def run(self) -> Delivered:
        """Takes the turn to its end. One that had ended before is told of again: its worker may have died unheard."""
        try:
            found = await run_step(TurnSteps.understand, self.ref, give_up=UNDERSTAND_WITHIN)
        except StepFailed:
            workflow.logger.warning("turn not understood")
            unknown = Understanding(turn=self.ref.turn, state="begun")
            return await self._deliver(Deliver(self.ref, "failed", unknown, reason="not_understood"))
        self.understanding = found
        self.ref = TurnRef(self.ref.tenant_id, self.ref.conversation_id, found.turn)
        if found.state == "done":
            return await self._deliver(Deliver(self.ref, "failed", found))
        return await self._deliver(await self._answer(found))

    async def _deliver(self, work: Deliver) -> Delivered:
        """Ends the turn. Where that fails for a reason that does not pass, it ends as failed, with a safe message."""
        try:
            return await run_step(TurnSteps.deliver, work)
        except StepFailed:
            workflow.logger.error("turn not delivered")
            failed = Deliver(work.ref, "failed", work.understanding, reason="not_delivered")
            return await run_step(TurnSteps.deliver, failed)

    async def _answer(self, found: Understanding) -> Deliver:
        if found.state == "with_human":
            return Deliver(self.ref, "escalated", found, reason="with_human", forwarded=True)
        if found.verdict == "escalate":
            return Deliver(self.ref, "escalated", found, reason=found.reason, situation=found.situation)
        if found.verdict == "refuse":
            return Deliver(self.ref, "blocked", found, reason=found.reason, situation=found.situation)
        generated = await self._generate(found)
        # The flag in Valkey stops the words before the signal is heard here.
        stopped = generated.status == "stopped" if generated is not None else self._stopped
        if stopped or (self._stopped and generated is not None and generated.status == "complete"):
            return Deliver(self.ref, "stopped", found, reason="customer")
        if generated is None:
            return Deliver(self.ref, "escalated", found, reason="no_generator")
        reason = ",".join(generated.reasons)
        match generated.status:
            case "complete" | "stopped":
                return Deliver(self.ref, "answered", found, supported=generated.supported)
            case "held" | "blocked":
                return Deliver(self.ref, generated.status, found, reason=reason, situation=generated.situation)

    async def _generate(self, found: Understanding) -> Generated | None:
        """The first generator of the chain that gives an answer. None when all failed or the customer stopped first."""
        for generator in found.generators:
            if self._stopped:
                return None
            self._generation = start_generation(Generate(self.ref, generator, found))
            try:
                return await self._generation
            except (*StepFailed, asyncio.CancelledError) as error:
                if is_cancelled_exception(error) and not self._stopped:
                    raise
                workflow.logger.warning("generator failed", extra={"generator": generator})
            finally:
                self._generation = None
        return None
