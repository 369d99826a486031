"""Steps off the line, under their real names, that do what a test tells them, area by area."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from temporalio import activity

from activities.signatures import (
    ClockSteps,
    EmbedderSteps,
    EvaluationSteps,
    FollowUpSteps,
    GapSteps,
    IntentSteps,
    KnowledgeSteps,
    PolicyReplaySteps,
    PrivacySteps,
    ReportSteps,
)
from helios.ticket_clocks import Clocks, rung, ticking
from schema.clocks import Ring, TicketRef, Ticking
from schema.embedders import ChangeRef, Embedded, EmbedMore, Switched
from schema.evaluations import Evaluated, EvaluationRef
from schema.follow_ups import FollowedUp, FollowUpRef
from schema.ingestion import FailVersion, Progress, Publish, Synced, VersionRef
from schema.intents import Encoded, FailTraining, IntentsRef
from schema.policy_replay import Place, ReplayBatch, Replayed, ReplayRef
from schema.privacy import RequestRef, TenantRef
from tests.workflows.scripted import TENANT

EVALUATION = EvaluationRef(TENANT, UUID("01900000-0000-7000-8000-0000000000e4"))
FOLLOW_UP = FollowUpRef(TENANT, UUID("01900000-0000-7000-8000-0000000000e3"))
CHANGE = ChangeRef(TENANT, UUID("01900000-0000-7000-8000-0000000000e4"))
INTENTS = IntentsRef(TENANT, 2)
TICKET = TicketRef(TENANT, UUID("01900000-0000-7000-8000-0000000000f1"))
VERSION = VersionRef(TENANT, UUID("01900000-0000-7000-8000-0000000000d1"), 1)
REPLAY = ReplayRef(TENANT, UUID("01900000-0000-7000-8000-0000000000e1"))
REQUEST = RequestRef(TENANT, UUID("01900000-0000-7000-8000-0000000000b1"))
PLACE = Place(datetime.fromisoformat("2026-01-01T00:00:00Z"), UUID("01900000-0000-7000-8000-0000000000e2"), 1)


class OneTicket(ClockSteps):
    """A ticket in memory, by the rules of the real one. `rang` has each alarm that was told.

    It is resolved some time after its breach, and no signal tells of it.
    """

    def __init__(self, received_at: datetime) -> None:
        self.received_at = received_at
        self.status = "open"
        self.rang: list[tuple[str, str]] = []
        due = {"determination": 14, "investigation": 45}
        self.clocks: Clocks = [
            {"name": name, "due_at": (received_at + timedelta(days=days)).isoformat(), "state": state}
            for (name, days), state in zip(due.items(), ("running", "waiting"), strict=True)
        ]

    def ticking(self) -> Ticking:
        return ticking(self.status, self.clocks, self.received_at)

    @activity.defn
    async def look_at_ticket(self, ref: TicketRef) -> Ticking:
        if any(kind == "breach" for _, kind in self.rang):
            self.status = "resolved"
        return self.ticking()

    @activity.defn
    async def ring(self, work: Ring) -> Ticking:
        after = rung(self.clocks, work.alarm) if self.status == "open" else None
        if after is not None:
            self.rang.append((work.alarm.clock, work.alarm.kind))
            self.clocks = after
        return self.ticking()


class ScriptedKnowledge(KnowledgeSteps):
    """Five chunks in batches of two; `error` is raised by the named step."""

    def __init__(self, error: tuple[str, Exception] | None = None) -> None:
        self.calls: list[str] = []
        self.failed: list[str] = []
        self._error = error
        self._done = 0
        self._due = [Synced(True), Synced(True, VERSION)]

    def _called(self, step: str) -> None:
        self.calls.append(step)
        if self._error is not None and self._error[0] == step:
            raise self._error[1]

    @activity.defn
    async def parse_version(self, ref: VersionRef) -> Progress:
        self._called("parse")
        return Progress(5, 0)

    @activity.defn
    async def embed_chunks(self, ref: VersionRef) -> Progress:
        self._called("embed")
        self._done = min(5, self._done + 2)
        return Progress(5, self._done, 1)

    @activity.defn
    async def finish_ingestion(self, ref: VersionRef) -> None:
        self._called("finish")

    @activity.defn
    async def fail_version(self, work: FailVersion) -> None:
        self.failed.append(work.code)

    @activity.defn
    async def sync_next_page(self, ref: TenantRef) -> Synced:
        self._called("sync")
        return self._due.pop(0) if self._due else Synced(False)

    @activity.defn
    async def publish_version(self, work: Publish) -> bool:
        self._called("publish")
        return True


class ScriptedTraining(IntentSteps):
    """Five examples in chunks of two; `error` is raised by training itself."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls: list[str] = []
        self.failed: list[str] = []
        self._error = error
        self._done = 0

    @activity.defn
    async def encode_examples(self, ref: IntentsRef) -> Encoded:
        self.calls.append("encode")
        self._done = min(5, self._done + 2)
        return Encoded(5, self._done)

    @activity.defn
    async def train_intents(self, ref: IntentsRef) -> None:
        self.calls.append("train")
        if self._error is not None:
            raise self._error

    @activity.defn
    async def fail_training(self, work: FailTraining) -> None:
        self.failed.append(work.code)


class ScriptedReplay(PolicyReplaySteps):
    """Three batches; from batch `breaks` on each try raises `error`."""

    def __init__(self, breaks: int = 99, error: Exception | None = None) -> None:
        self.begun: list[int] = []
        self.failed: list[ReplayRef] = []
        self._breaks, self._error = breaks, error

    @activity.defn
    async def replay_batch(self, batch: ReplayBatch) -> Replayed:
        self.begun.append(batch.done)
        if batch.done >= self._breaks and self._error is not None:
            raise self._error
        done = batch.done + 50
        return Replayed(done, 150, PLACE if done < 150 else None)

    @activity.defn
    async def fail_replay(self, ref: ReplayRef) -> None:
        self.failed.append(ref)


class ScriptedEvaluation(EvaluationSteps):
    """Five answers in steps of two; from the answer `breaks` on each try raises `error`."""

    def __init__(self, breaks: int = 99, error: Exception | None = None) -> None:
        self.done, self.tries = 0, 0
        self.failed: list[EvaluationRef] = []
        self._breaks, self._error = breaks, error

    @activity.defn
    async def evaluate_next(self, ref: EvaluationRef) -> Evaluated:
        self.tries += 1
        if self.done >= self._breaks and self._error is not None:
            raise self._error
        self.done = min(5, self.done + 2)
        return Evaluated(5, self.done)

    @activity.defn
    async def fail_evaluation(self, ref: EvaluationRef) -> None:
        self.failed.append(ref)


class ScriptedPrivacy(PrivacySteps):
    """A hold that is found `holds` times, then three conversations of a customer; archives until `until`."""

    def __init__(self, *, holds: int = 0, until: datetime = PLACE.received_at) -> None:
        self._holds, self._until = holds, until
        self._left = {"conversations": 3, "histories": 3, "due": 3}

    def _less(self, what: str) -> int:
        self._left[what] -= 1
        return self._left[what]

    @activity.defn
    async def freeze_customer(self, ref: RequestRef) -> str:
        self._holds -= 1
        return "held" if self._holds >= 0 else "frozen"

    @activity.defn
    async def end_conversations(self, ref: RequestRef) -> None: ...

    @activity.defn
    async def erase_conversations(self, ref: RequestRef) -> int:
        return self._less("conversations")

    @activity.defn
    async def destroy_key(self, ref: RequestRef) -> None: ...

    @activity.defn
    async def forget_histories(self, ref: RequestRef) -> int:
        return self._less("histories")

    @activity.defn
    async def finish_erasure(self, ref: RequestRef) -> None: ...

    @activity.defn
    async def write_export(self, ref: RequestRef) -> datetime:
        return self._until

    @activity.defn
    async def expire_export(self, ref: RequestRef) -> None: ...

    @activity.defn
    async def delete_what_is_due(self, ref: TenantRef) -> int:
        return self._less("due")


class ScriptedReports(ReportSteps):
    """Two reports that are due."""

    def __init__(self) -> None:
        self._due = 2

    @activity.defn
    async def make_next_report(self, ref: TenantRef) -> bool:
        self._due -= 1
        return self._due >= 0


class ScriptedFollowUps(FollowUpSteps):
    """Three conversations, of which so many are done when it looks."""

    def __init__(self, *done: int) -> None:
        self.looks = 0
        self._done = list(done)

    @activity.defn
    async def tell_conversations(self, ref: FollowUpRef) -> FollowedUp:
        self.looks += 1
        return FollowedUp(3, self._done.pop(0))


class ScriptedEmbedders(EmbedderSteps):
    """Tells these steps one after the other; of the switches, whether each succeeds. Two batches of vectors are old."""

    def __init__(self, *steps: Embedded, switches: tuple[bool, ...] = (True,), keep_s: float = 3_600.0) -> None:
        self.asked: list[UUID | None] = []
        self._steps, self._switches, self._keep_s, self._old = list(steps), list(switches), keep_s, [5_000, 7]

    @activity.defn
    async def embed_more(self, work: EmbedMore) -> Embedded:
        self.asked.append(work.after)
        return self._steps.pop(0)

    @activity.defn
    async def switch_embedder(self, ref: ChangeRef) -> Switched:
        return Switched(self._switches.pop(0), self._keep_s)

    @activity.defn
    async def remove_old_vectors(self, ref: ChangeRef) -> int:
        return self._old.pop(0) if self._old else 0


class ScriptedGaps(GapSteps):
    """Two batches of questions, which make three groups."""

    def __init__(self) -> None:
        self._batches = [50, 7]

    @activity.defn
    async def collect_questions(self, ref: TenantRef) -> int:
        return self._batches.pop(0) if self._batches else 0

    @activity.defn
    async def group_questions(self, ref: TenantRef) -> int:
        return 3

    @activity.defn
    async def look_for_answers(self, ref: TenantRef) -> int:
        return 2
