"""The steps under the names that workflows know, with their resources in hand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

import asyncpg
import structlog
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities import (
    access,
    clocks,
    correcting,
    delivery,
    embedder_change,
    erasure,
    escalation,
    evaluation,
    following_up,
    gap_answers,
    gap_groups,
    gap_questions,
    generation,
    ingestion,
    intent_training,
    policy_replay,
    reporting,
    retention,
    understanding,
)
from activities.beating import beating
from activities.resources import Resources
from activities.signatures import (
    ClockSteps,
    CorrectionSteps,
    EmbedderSteps,
    EscalationSteps,
    EvaluationSteps,
    FollowUpSteps,
    GapSteps,
    IntentSteps,
    KnowledgeSteps,
    PolicyReplaySteps,
    PrivacySteps,
    ReportSteps,
    TurnSteps,
)
from helios.crypto import Shredded
from schema.clocks import Ring, TicketRef, Ticking
from schema.embedders import ChangeRef, Embedded, EmbedMore, Switched
from schema.evaluations import Evaluated, EvaluationRef
from schema.follow_ups import CorrectConversation, Corrected, FollowedUp, FollowUpRef
from schema.ingestion import FailVersion, Progress, Publish, Synced, VersionRef
from schema.intents import Encoded, FailTraining, IntentsRef
from schema.policy_replay import ReplayBatch, Replayed, ReplayRef
from schema.privacy import RequestRef, TenantRef
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

log = structlog.get_logger()

# What passes by itself: a server that is away, or a deadlock that another transaction won.
PASSING = (OSError, PoolTimeout, DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError)
LASTING = (IntegrityError, ProgrammingError, DataError)
BUG_ATTEMPTS = 3

Work = TypeVar("Work")
Result = TypeVar("Result")


async def _run(step: Callable[[Resources, Work], Awaitable[Result]], resources: Resources, work: Work) -> Result:
    """A step whose error is neither expected nor passing is our bug: trying for ever would only hide it."""
    try:
        return await step(resources, work)
    except ApplicationError:
        raise
    except Shredded:
        raise ApplicationError("the customer was erased", type="customer_erased", non_retryable=True) from None
    except Exception as error:
        if isinstance(error, PASSING) and not isinstance(error, LASTING):
            raise
        log.error("step failed", step=step.__name__, exc_info=error)
        final = activity.info().attempt >= BUG_ATTEMPTS
        raise ApplicationError(type(error).__name__, type="bug", non_retryable=final) from None


class Turns(TurnSteps):
    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    @activity.defn
    async def understand(self, turn: TurnRef) -> Understanding:
        return await _run(understanding.understand, self._resources, turn)

    @activity.defn
    async def generate(self, work: Generate) -> Generated:
        return await _run(generation.generate, self._resources, work)

    @activity.defn
    async def deliver(self, work: Deliver) -> Delivered:
        return await _run(delivery.deliver, self._resources, work)


class Escalations(EscalationSteps):
    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    @activity.defn
    async def open_escalation(self, work: OpenEscalation) -> EscalationRef | None:
        return await _run(escalation.open_escalation, self._resources, work)

    @activity.defn
    async def load_escalation(self, ref: EscalationRef) -> EscalationOutcome:
        return await _run(escalation.load_escalation, self._resources, ref)

    @activity.defn
    async def apply_claim(self, work: ApplyClaim) -> EscalationOutcome:
        return await _run(escalation.apply_claim, self._resources, work)

    @activity.defn
    async def apply_decision(self, work: ApplyDecision) -> EscalationOutcome:
        return await _run(escalation.apply_decision, self._resources, work)

    @activity.defn
    async def apply_deadline(self, work: ApplyDeadline) -> EscalationOutcome:
        return await _run(escalation.apply_deadline, self._resources, work)


class Corrections(CorrectionSteps):
    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    @activity.defn
    async def correct_conversation(self, work: CorrectConversation) -> Corrected:
        return await _run(correcting.correct_conversation, self._resources, work)


class EmbedderChanges(EmbedderSteps):
    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    @activity.defn
    async def embed_more(self, work: EmbedMore) -> Embedded:
        return await beating(_run(embedder_change.embed_more, self._resources, work))

    @activity.defn
    async def switch_embedder(self, ref: ChangeRef) -> Switched:
        return await _run(embedder_change.switch_embedder, self._resources, ref)

    @activity.defn
    async def remove_old_vectors(self, ref: ChangeRef) -> int:
        return await _run(embedder_change.remove_old_vectors, self._resources, ref)


class FollowUps(FollowUpSteps):
    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    @activity.defn
    async def tell_conversations(self, ref: FollowUpRef) -> FollowedUp:
        return await beating(_run(following_up.tell_conversations, self._resources, ref))


class Clocks(ClockSteps):
    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    @activity.defn
    async def look_at_ticket(self, ref: TicketRef) -> Ticking:
        return await _run(clocks.look_at_ticket, self._resources, ref)

    @activity.defn
    async def ring(self, work: Ring) -> Ticking:
        return await _run(clocks.ring, self._resources, work)


class PolicyReplays(PolicyReplaySteps):
    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    @activity.defn
    async def replay_batch(self, batch: ReplayBatch) -> Replayed:
        return await _run(policy_replay.replay_batch, self._resources, batch)

    @activity.defn
    async def fail_replay(self, ref: ReplayRef) -> None:
        await _run(policy_replay.fail_replay, self._resources, ref)


class Evaluations(EvaluationSteps):
    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    @activity.defn
    async def evaluate_next(self, ref: EvaluationRef) -> Evaluated:
        return await beating(_run(evaluation.evaluate_next, self._resources, ref))

    @activity.defn
    async def fail_evaluation(self, ref: EvaluationRef) -> None:
        await _run(evaluation.fail_evaluation, self._resources, ref)


class Knowledge(KnowledgeSteps):
    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    @activity.defn
    async def parse_version(self, ref: VersionRef) -> Progress:
        return await _run(ingestion.parse_version, self._resources, ref)

    @activity.defn
    async def embed_chunks(self, ref: VersionRef) -> Progress:
        return await _run(ingestion.embed_chunks, self._resources, ref)

    @activity.defn
    async def finish_ingestion(self, ref: VersionRef) -> None:
        await _run(ingestion.finish_ingestion, self._resources, ref)

    @activity.defn
    async def fail_version(self, work: FailVersion) -> None:
        await _run(ingestion.fail_version, self._resources, work)

    @activity.defn
    async def sync_next_page(self, ref: TenantRef) -> Synced:
        return await _run(ingestion.sync_next_page, self._resources, ref)

    @activity.defn
    async def publish_version(self, work: Publish) -> bool:
        return await _run(ingestion.publish_version, self._resources, work)


class Intents(IntentSteps):
    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    @activity.defn
    async def encode_examples(self, ref: IntentsRef) -> Encoded:
        return await _run(intent_training.encode_examples, self._resources, ref)

    @activity.defn
    async def train_intents(self, ref: IntentsRef) -> None:
        await _run(intent_training.train_intents, self._resources, ref)

    @activity.defn
    async def fail_training(self, work: FailTraining) -> None:
        await _run(intent_training.fail_training, self._resources, work)


class Privacy(PrivacySteps):
    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    @activity.defn
    async def freeze_customer(self, ref: RequestRef) -> str:
        return await _run(erasure.freeze_customer, self._resources, ref)

    @activity.defn
    async def end_conversations(self, ref: RequestRef) -> None:
        await _run(erasure.end_conversations, self._resources, ref)

    @activity.defn
    async def erase_conversations(self, ref: RequestRef) -> int:
        return await _run(erasure.erase_conversations, self._resources, ref)

    @activity.defn
    async def destroy_key(self, ref: RequestRef) -> None:
        await _run(erasure.destroy_key, self._resources, ref)

    @activity.defn
    async def forget_histories(self, ref: RequestRef) -> int:
        return await _run(erasure.forget_histories, self._resources, ref)

    @activity.defn
    async def finish_erasure(self, ref: RequestRef) -> None:
        await _run(erasure.finish_erasure, self._resources, ref)

    @activity.defn
    async def write_export(self, ref: RequestRef) -> datetime:
        return await _run(access.write_export, self._resources, ref)

    @activity.defn
    async def expire_export(self, ref: RequestRef) -> None:
        await _run(access.expire_export, self._resources, ref)

    @activity.defn
    async def delete_what_is_due(self, ref: TenantRef) -> int:
        return await _run(retention.delete_what_is_due, self._resources, ref)


class Gaps(GapSteps):
    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    @activity.defn
    async def collect_questions(self, ref: TenantRef) -> int:
        return await _run(gap_questions.collect_questions, self._resources, ref)

    @activity.defn
    async def group_questions(self, ref: TenantRef) -> int:
        return await _run(gap_groups.group_questions, self._resources, ref)

    @activity.defn
    async def look_for_answers(self, ref: TenantRef) -> int:
        return await _run(gap_answers.look_for_answers, self._resources, ref)


class Reports(ReportSteps):
    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    @activity.defn
    async def make_next_report(self, ref: TenantRef) -> bool:
        return await _run(reporting.make_next_report, self._resources, ref)
