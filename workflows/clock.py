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


LOOKS_AGAIN_AFTER = timedelta(days=7)


@workflow.defn(name=CLOCK_WORKFLOW)
class ClockWorkflow:
    """Ends with its ticket, so that what ops see of it last is that it is closed. A ticket has few clocks: one history
    holds them.

    The ticket's row is the truth. A signal only wakes the clock early; one that is lost is made up for at the next
    alarm, or where none follows within a week, by a look that finds what has changed.
    """

    def __init__(self) -> None:
        self._changed = False
        self._story = Story()

    @workflow.run
    async def run(self, ref: TicketRef) -> None:
        ticking = await self._look(ref)
        while ticking.alarms or self._outlasts_its_alarms(ticking):
            alarm = ticking.alarms[0] if ticking.alarms else None
            if await self._wait_for(alarm) or alarm is None:
                ticking = await self._look(ref)
                continue
            ticking = await run_step(ClockSteps.ring, Ring(ref, alarm))
            self._tell(f"{alarm.kind} of {alarm.clock}", ticking)

    @workflow.signal
    def ticket_changed(self) -> None:
        """Somebody has met a clock, extended one, or resolved the ticket."""
        self._changed = True

    @staticmethod
    def _outlasts_its_alarms(ticking: Ticking) -> bool:
        return ticking.status != "closed" and workflow.patched("ends-with-its-ticket")

    async def _look(self, ref: TicketRef) -> Ticking:
        self._changed = False
        ticking = await run_step(ClockSteps.look_at_ticket, ref)
        self._tell("looked at the ticket", ticking)
        return ticking

    async def _wait_for(self, alarm: Alarm | None) -> bool:
        """Whether the ticket changed before the alarm's time came, or before it is time to look."""
        left = max(alarm.at - workflow.now(), timedelta(0)) if alarm else LOOKS_AGAIN_AFTER
        summary = f"{alarm.kind} of {alarm.clock} at {alarm.at}" if alarm else "whether the ticket is closed"
        try:
            await workflow.wait_condition(lambda: self._changed, timeout=left, timeout_summary=summary)
        except TimeoutError:
            return False
        return True

    def _tell(self, what: str, ticking: Ticking) -> None:
        show({STATUS: ticking.status})
        following = f"next: {ticking.alarms[0].kind} at {ticking.alarms[0].at}" if ticking.alarms else "nothing follows"
        self._story.tell(f"{what}: {ticking.status}, {following}")
