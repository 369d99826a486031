"""Golden histories of what runs beside the conversations: clocks, knowledge, policies, privacy, reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from temporalio.client import WorkflowHistory
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from schema.clocks import CLOCK_WORKFLOW, clock_workflow_id
from schema.embedders import EMBEDDER_CHANGE_WORKFLOW, Embedded, EmbedMore, embedder_change_workflow_id
from schema.evaluations import EVALUATION_WORKFLOW, evaluation_workflow_id
from schema.follow_ups import FOLLOW_UP_WORKFLOW, follow_up_workflow_id
from schema.ingestion import (
    INGESTION_WORKFLOW,
    PUBLICATION_WORKFLOW,
    SYNC_WORKFLOW,
    Publish,
    ingestion_workflow_id,
    publication_workflow_id,
    sync_id,
)
from schema.intents import INTENT_TRAINING_WORKFLOW, intent_training_workflow_id
from schema.knowledge_gaps import GAPS_WORKFLOW, gaps_id
from schema.policy_replay import POLICY_REPLAY_WORKFLOW, policy_replay_workflow_id
from schema.privacy import ACCESS_WORKFLOW, ERASURE_WORKFLOW, RETENTION_WORKFLOW, request_workflow_id, retention_id
from schema.reports import REPORTS_WORKFLOW, reports_id
from tests.workflows.conftest import sandboxed
from tests.workflows.scripted import TENANT
from tests.workflows.scripted_batch import (
    CHANGE,
    EVALUATION,
    FOLLOW_UP,
    INTENTS,
    REPLAY,
    REQUEST,
    TICKET,
    VERSION,
    OneTicket,
    ScriptedEmbedders,
    ScriptedEvaluation,
    ScriptedFollowUps,
    ScriptedGaps,
    ScriptedKnowledge,
    ScriptedPrivacy,
    ScriptedReplay,
    ScriptedReports,
    ScriptedTraining,
)
from worker import BATCH_WORKFLOWS, WORKFLOWS, steps_of


@dataclass(frozen=True, slots=True)
class Scene:
    """A workflow that runs to its end. `signal` is sent when it has waited for ten minutes."""

    workflow: str
    id: str
    steps: object
    arguments: tuple[Any, ...] = ()
    signal: str | None = None


def fetched(now: datetime) -> Scene:
    """An archive that is taken away again."""
    until = ScriptedPrivacy(until=now + timedelta(days=14))
    return Scene(ACCESS_WORKFLOW, request_workflow_id(REQUEST, "access"), until, (REQUEST,))


def erased(now: datetime) -> Scene:
    """A legal hold stands, still stands when one is released, and an hour later stands no more."""
    steps = ScriptedPrivacy(holds=2)
    return Scene(ERASURE_WORKFLOW, request_workflow_id(REQUEST, "erasure"), steps, (REQUEST,), "look_again")


def retained(now: datetime) -> Scene:
    """Three batches of records whose time has passed."""
    return Scene(RETENTION_WORKFLOW, f"{retention_id(TENANT)}-2026-01-01T03:00:00Z", ScriptedPrivacy())


def reported(now: datetime) -> Scene:
    """Two reports whose period has ended."""
    return Scene(REPORTS_WORKFLOW, f"{reports_id(TENANT)}-2026-01-01T03:00:00Z", ScriptedReports())


def grouped(now: datetime) -> Scene:
    """Two batches of questions that nothing answered."""
    return Scene(GAPS_WORKFLOW, gaps_id(TENANT), ScriptedGaps())


def followed_up(now: datetime) -> Scene:
    """Three conversations, which take their time."""
    steps = ScriptedFollowUps(0, 0, 2, 3)
    return Scene(FOLLOW_UP_WORKFLOW, follow_up_workflow_id(FOLLOW_UP), steps, (FOLLOW_UP,))


def embedder_changed(now: datetime) -> Scene:
    """An embedder that asks to wait, then chunks that came meanwhile, the switch, and two batches of old vectors."""
    steps = ScriptedEmbedders(
        Embedded(True, 10, 4, trouble="rate_limited", wait_s=17.0), Embedded(True, 10, 10, at_end=True),
        Embedded(True, 11, 11, at_end=True), switches=(False, True),
    )  # fmt: skip
    return Scene(EMBEDDER_CHANGE_WORKFLOW, embedder_change_workflow_id(CHANGE), steps, (EmbedMore(CHANGE),))


def embedder_not_changed(now: datetime) -> Scene:
    """Called off after the first chunks."""
    steps = ScriptedEmbedders(Embedded(True, 10, 4), Embedded(False))
    return Scene(EMBEDDER_CHANGE_WORKFLOW, embedder_change_workflow_id(CHANGE), steps, (EmbedMore(CHANGE),))


def rang(now: datetime) -> Scene:
    """A ticket that is changed once, then warns, is breached, and is resolved in the end."""
    return Scene(CLOCK_WORKFLOW, clock_workflow_id(TICKET), OneTicket(now), (TICKET,), "ticket_changed")


def policy_replayed(now: datetime) -> Scene:
    """Three batches of turns."""
    return Scene(POLICY_REPLAY_WORKFLOW, policy_replay_workflow_id(REPLAY), ScriptedReplay(), (REPLAY,))


def policy_not_replayed(now: datetime) -> Scene:
    """The second batch fails for good."""
    steps = ScriptedReplay(50, ApplicationError("no", type="bug", non_retryable=True))
    return Scene(POLICY_REPLAY_WORKFLOW, policy_replay_workflow_id(REPLAY), steps, (REPLAY,))


def evaluated(now: datetime) -> Scene:
    """Five answers in three steps."""
    return Scene(EVALUATION_WORKFLOW, evaluation_workflow_id(EVALUATION), ScriptedEvaluation(), (EVALUATION,))


def not_evaluated(now: datetime) -> Scene:
    """The second step fails for good."""
    steps = ScriptedEvaluation(2, ApplicationError("no", type="bug", non_retryable=True))
    return Scene(EVALUATION_WORKFLOW, evaluation_workflow_id(EVALUATION), steps, (EVALUATION,))


def ingested(now: datetime) -> Scene:
    """Three batches of chunks, then the review."""
    return Scene(INGESTION_WORKFLOW, ingestion_workflow_id(VERSION), ScriptedKnowledge(), (VERSION,))


def not_ingested(now: datetime) -> Scene:
    """A file that is damaged."""
    steps = ScriptedKnowledge(("parse", ApplicationError("no", type="malformed", non_retryable=True)))
    return Scene(INGESTION_WORKFLOW, ingestion_workflow_id(VERSION), steps, (VERSION,))


def intents_trained(now: datetime) -> Scene:
    """Three chunks of examples, then the training."""
    return Scene(INTENT_TRAINING_WORKFLOW, intent_training_workflow_id(INTENTS), ScriptedTraining(), (INTENTS,))


def intents_not_trained(now: datetime) -> Scene:
    """A set that is too large to be trained."""
    steps = ScriptedTraining(ApplicationError("no", type="too_costly", non_retryable=True))
    return Scene(INTENT_TRAINING_WORKFLOW, intent_training_workflow_id(INTENTS), steps, (INTENTS,))


def published(now: datetime) -> Scene:
    """An approval for a moment that is weeks away."""
    work = Publish(VERSION, now + timedelta(days=40))
    return Scene(PUBLICATION_WORKFLOW, publication_workflow_id(VERSION), ScriptedKnowledge(), (work,))


def synced(now: datetime) -> Scene:
    """A page that has not changed, and one whose new version is ingested."""
    return Scene(SYNC_WORKFLOW, sync_id(TENANT), ScriptedKnowledge())


SCENES: dict[str, Callable[[datetime], Scene]] = {
    scene.__name__: scene
    for scene in (
        embedder_changed, embedder_not_changed,
        fetched, erased, retained, reported, grouped, followed_up, rang, policy_replayed, policy_not_replayed,
        evaluated, not_evaluated, ingested, not_ingested, published, synced, intents_trained, intents_not_trained,
    )
}  # fmt: skip


async def play(environment: WorkflowEnvironment, name: str) -> WorkflowHistory:
    scene, queue = SCENES[name](await environment.get_current_time()), f"test-{uuid4()}"
    workflows = (*WORKFLOWS, *BATCH_WORKFLOWS)
    async with sandboxed(environment.client, queue, workflows, steps_of(scene.steps)):
        handle = await environment.client.start_workflow(
            scene.workflow, args=scene.arguments, id=scene.id, task_queue=queue
        )
        if scene.signal is not None:
            await environment.sleep(timedelta(minutes=10))
            await handle.signal(scene.signal)
        await handle.result()
        return await handle.fetch_history()
