"""A ticket's regulated clocks: durable timers that warn, and tell a breach at the deadline."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.signatures import ClockSteps
    from schema.clocks import CLOCK_WORKFLOW, Alarm, Ring, TicketRef, Ticking
    from schema.visibility import STATUS
    from workflows.steps import run_step
    from workflows.visibility import Story, show


@workflow.defn(name=CLOCK_WORKFLOW)
class ClockWorkflow:
    """Ends with its ticket, or when nothing is left to warn of. A ticket has few clocks: one history holds them.

    The ticket's row is the truth. A signal only wakes the clock early; one that is lost is made up for at the next
    alarm, which finds what has changed.
    """

    def __init__(self) -> None:
        self._changed = False
        self._story = Story()

    @workflow.run
    async def run(self, ref: TicketRef) -> None:
        ticking = await self._look(ref)
        while ticking.alarms:
            alarm = ticking.alarms[0]
            if await self._wait_for(alarm):
                ticking = await self._look(ref)
                continue
            ticking = await run_step(ClockSteps.ring, Ring(ref, alarm))
            self._tell(f"{alarm.kind} of {alarm.clock}", ticking)

    @workflow.signal
    def ticket_changed(self) -> None:
        """Somebody has met a clock, extended one, or resolved the ticket."""
        self._changed = True

    async def _look(self, ref: TicketRef) -> Ticking:
        self._changed = False
        ticking = await run_step(ClockSteps.look_at_ticket, ref)
        self._tell("looked at the ticket", ticking)
        return ticking

    async def _wait_for(self, alarm: Alarm) -> bool:
        """Whether the ticket changed before the alarm's time came."""
        left = max(alarm.at - workflow.now(), timedelta(0))
        try:
            await workflow.wait_condition(
                lambda: self._changed, timeout=left, timeout_summary=f"{alarm.kind} of {alarm.clock} at {alarm.at}"
            )
        except TimeoutError:
            return False
        return True

    def _tell(self, what: str, ticking: Ticking) -> None:
        show({STATUS: ticking.status})
        following = f"next: {ticking.alarms[0].kind} at {ticking.alarms[0].at}" if ticking.alarms else "nothing follows"
        self._story.tell(f"{what}: {ticking.status}, {following}")
