"""How each step is run: where, how long it may take and how often it is tried.

Short steps are local activities: they cost no round trip to the server, and a step that is tried again finds its work
done. A remote model is a regular activity on the conversation's own task queue, so that it is started eagerly.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.exceptions import TimeoutError as StepTimeout

with workflow.unsafe.imports_passed_through():
    from activities.signatures import TurnSteps
    from schema.steps import Generate, Generated

Work = TypeVar("Work")
Result = TypeVar("Result")

# The database may be away for minutes: a step waits for it rather than fail a customer.
PATIENT = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), backoff_coefficient=2.0, maximum_interval=timedelta(seconds=5)
)
# The step itself says when a model is to be left for the next one of the chain: a worker's death or a database that is
# away for a while is not the model's failure.
GENERATION = RetryPolicy(
    initial_interval=timedelta(milliseconds=500), backoff_coefficient=2.0, maximum_interval=timedelta(seconds=10)
)
GENERATE_WITHIN = timedelta(minutes=6)
# A regular activity's failure comes wrapped, a local one's as it is.
StepFailed = (ActivityError, ApplicationError, StepTimeout)
LOCAL_GENERATORS = frozenset({"offline"})


async def run_step(
    step: Callable[[Any, Work], Coroutine[Any, Any, Result]], work: Work, *, give_up: timedelta | None = None
) -> Result:
    """A short step. Tried until it succeeds, or until `give_up` has passed."""
    return await workflow.execute_local_activity_method(
        step,
        work,
        start_to_close_timeout=timedelta(seconds=20),
        schedule_to_close_timeout=give_up,
        retry_policy=PATIENT,
    )


def start_generation(work: Generate) -> workflow.ActivityHandle[Generated]:
    """Starts a generator; cancelling the handle stops it, and its result says what had been released."""
    if work.generator in LOCAL_GENERATORS:
        return workflow.start_local_activity_method(
            TurnSteps.generate,
            work,
            start_to_close_timeout=timedelta(seconds=30),
            schedule_to_close_timeout=GENERATE_WITHIN,
            retry_policy=GENERATION,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
    return workflow.start_activity_method(
        TurnSteps.generate,
        work,
        start_to_close_timeout=timedelta(seconds=180),
        schedule_to_close_timeout=GENERATE_WITHIN,
        # A dead worker is noticed after this time; a living one tells so every second.
        heartbeat_timeout=timedelta(seconds=6),
        retry_policy=GENERATION,
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        summary=f"{work.generator} writes turn {work.ref.turn}",
    )
