"""How each step is run: where, how long it may take and how often it is tried.

Every step of a turn is a local activity: it costs no round trip to the server, and one that is tried again finds its
work done. A worker that dies is noticed by the workflow task's timeout, 5 s, also in the middle of a model's answer.
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
BATCH_PATIENT = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1))
BATCH_STEP_WITHIN = timedelta(minutes=5)
HEARTBEAT = timedelta(seconds=15)
"""Steps that show life do so every 5 s."""
GENERATE_WITHIN = timedelta(minutes=6)
DRAFT_WITHIN = timedelta(seconds=60)
# A local step's failure comes as it is; a cancelled one's comes wrapped.
StepFailed = (ActivityError, ApplicationError, StepTimeout)


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
        summary=step.__name__,
    )


async def run_batch_step(step: Callable[[Any, Work], Coroutine[Any, Any, Result]], work: Work) -> Result:
    """A step that nobody waits for on the line, and that is never given up: a right or a duty stands behind it."""
    return await workflow.execute_activity_method(
        step,
        work,
        start_to_close_timeout=BATCH_STEP_WITHIN,
        retry_policy=BATCH_PATIENT,
        summary=step.__name__,
    )


async def run_beating_step(
    step: Callable[[Any, Work], Coroutine[Any, Any, Result]],
    work: Work,
    within: timedelta = BATCH_STEP_WITHIN,
    queue: str | None = None,
) -> Result:
    """The same of a step that takes long and shows life: that its worker died is noticed after `HEARTBEAT`."""
    return await workflow.execute_activity_method(
        step, work, task_queue=queue, start_to_close_timeout=within, heartbeat_timeout=HEARTBEAT,
        retry_policy=BATCH_PATIENT, summary=step.__name__,
    )  # fmt: skip


def start_generation(work: Generate) -> workflow.ActivityHandle[Generated]:
    """Starts a generator; cancelling the handle stops it, and its result says what had been released.

    A signal that arrives meanwhile is heard when the workflow task reports, every 4 s: see docs/decisions/0003.
    """
    return workflow.start_local_activity_method(
        TurnSteps.generate,
        work,
        start_to_close_timeout=timedelta(seconds=180),
        schedule_to_close_timeout=GENERATE_WITHIN,
        retry_policy=GENERATION,
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        summary=f"generate: {work.generator}",
    )


async def write_draft(work: Generate) -> Generated:
    """A draft for an agent. Not a local step: a claim must not wait until a model has ended its sentence."""
    return await workflow.execute_activity_method(
        TurnSteps.generate,
        work,
        start_to_close_timeout=DRAFT_WITHIN,
        schedule_to_close_timeout=GENERATE_WITHIN,
        retry_policy=GENERATION,
        summary=f"draft: {work.generator}",
    )
