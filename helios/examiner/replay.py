"""Replay: runs today's workflow code on a conversation's stored history, and holds history and record together.

That the code comes to the same commands says that it would decide the same today. A history of older code that today's
does not repeat names the build that does. That the history tells the same as
the record in PostgreSQL says that nobody changed either.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from temporalio.client import Client
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from helios.codec import KeySource, data_converter
from helios.crypto import CryptoError
from helios.database import Database
from helios.decided import decided_by_turn
from helios.examiner.decisions import Decision, Run, decisions, runs_of
from helios.keyring import Keyring
from helios.sources import build_id
from schema.steps import conversation_workflow_id, escalation_workflow_id

SDK_SAYS: Final = re.compile(r'message: "((?:[^"\\]|\\.)*)"')
ERASED_AT = text("SELECT erased_at FROM threads WHERE tenant_id = :tenant_id AND id = :id")
TAKEN_OUT: Final = frozenset({"intent", "situations", "passages"})
"""Of a record, with the words that they were found in."""
EXPIRED = text(
    "SELECT EXISTS (SELECT FROM audits WHERE tenant_id = :tenant_id AND subject_type = 'conversation' "
    "AND subject_id = :id AND action = 'conversation.expired')"
)
TURNS = text(
    "SELECT number, outcome, record, draft, attempt, received_at, completed_at FROM turns "
    "WHERE tenant_id = :tenant_id AND conversation_id = :id ORDER BY number"
)
ESCALATIONS = text("SELECT id FROM escalations WHERE tenant_id = :tenant_id AND conversation_id = :id ORDER BY id")


@dataclass(frozen=True, slots=True)
class ReplayedRun:
    """`failure`: what the code would do otherwise; None where it does the same.

    builds  whose code took the steps, in order: `RELEASE+HASH`, before there were releases a hash alone
    advice  which release to check out, where it was other code than this one that this one cannot repeat; else None
    """

    workflow_id: str
    run_id: str
    events: int
    builds: tuple[str, ...]
    failure: str | None
    advice: str | None = None


@dataclass(frozen=True, slots=True)
class ExaminedTurn:
    """history  `agrees`, `differs`, `gone` (Temporal keeps it for its retention time only), `shredded` (its key was
    destroyed), `erased` (with the customer's words, by an erasure or by retention)"""

    turn: int
    record: dict[str, Any]
    history: str
    differences: tuple[str, ...] = ()
    people: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Examination:
    tenant_id: UUID
    conversation_id: UUID
    erased_at: datetime | None
    """When the customer's words were taken out of the record, and the history with them."""
    runs: tuple[ReplayedRun, ...]
    turns: tuple[ExaminedTurn, ...]
    expired: bool = False
    """Retention took the words out, and no erasure of the customer."""

    @property
    def agrees(self) -> bool:
        """Nothing contradicts anything. What is gone contradicts nothing; what other code did is not repeated here."""
        repeated = all(run.failure is None or run.advice is not None for run in self.runs)
        return repeated and all(turn.history != "differs" for turn in self.turns)

    @property
    def repeated(self) -> bool:
        """Whether this code came to the same steps in every run that is left."""
        return all(run.failure is None for run in self.runs)


@dataclass(slots=True)
class Told:
    by_turn: dict[int, Decision] = field(default_factory=dict)
    shredded: bool = False


async def examine(
    client: Client,
    database: Database,
    keyring: Keyring,
    workflows: Sequence[type],
    tenant_id: UUID,
    conversation_id: UUID,
) -> Examination:
    """Reads and replays all that is left of the conversation and of its escalations."""
    async with database.tenant(tenant_id, snapshot=True) as connection:
        where = {"tenant_id": tenant_id, "id": conversation_id}
        erased_at = (await connection.execute(ERASED_AT, where)).scalar_one()
        expired = (await connection.execute(EXPIRED, where)).scalar_one()
        rows = (await connection.execute(TURNS, where)).all()
        escalations = list(await connection.scalars(ESCALATIONS, where))
        people = await decided_by_turn(connection, tenant_id, conversation_id)
    conversation = await runs_of(client, conversation_workflow_id(tenant_id, conversation_id))
    others = [run for each in escalations for run in await runs_of(client, escalation_workflow_id(tenant_id, each))]
    told = await _told(conversation, client, keyring)
    replayed = [await replay(run, workflows, keyring) for run in (*conversation, *others)]
    without = "erased" if erased_at is not None else "gone"
    turns = [examined(row, told, people.get(row.number, ()), without) for row in rows]
    return Examination(tenant_id, conversation_id, erased_at, tuple(replayed), tuple(turns), expired)


async def _told(runs: Sequence[Run], client: Client, keyring: Keyring) -> Told:
    try:
        return Told(await decisions(runs, data_converter(keyring), client.namespace))
    except CryptoError:
        return Told(shredded=True)


async def replay(run: Run, workflows: Sequence[type], keyring: KeySource) -> ReplayedRun:
    """Runs the code of today on the history; code that cannot repeat it is an answer, and no error."""
    replayer = Replayer(
        workflows=workflows,
        data_converter=data_converter(keyring),
        workflow_runner=UnsandboxedWorkflowRunner(),
        # Left to itself the SDK hashes every module that is loaded, for seconds.
        build_id="examiner",
    )
    result = await replayer.replay_workflow(run.history, raise_on_replay_failure=False)
    failure = None if result.replay_failure is None else _said(str(result.replay_failure))
    advice = None if failure is None else _advice(run)
    return ReplayedRun(run.workflow_id, run.run_id, len(run.history.events), run.builds, failure, advice)


def _said(failure: str) -> str:
    """The SDK's own words, out of the report that it wraps them in."""
    found = SDK_SAYS.search(failure)
    return failure if found is None else found[1]


def _advice(run: Run) -> str | None:
    """None where this very code took all of the steps: then it is the history, or the code, that is not as it was."""
    others = [build for build in run.builds if build != build_id()]
    if run.builds and not others:
        return None
    at = run.history.events[0].event_time.ToDatetime(UTC).isoformat(timespec="seconds")
    release, _, _ = others[0].rpartition("+") if others else ("", "", "")
    which = f"release {release}" if release else f"the release that was in use on {at[:10]}"
    return (
        f"It was recorded from {at} on by build {', '.join(others) or 'unknown'}; this is build {build_id()}. "
        f"To repeat it, check out {which}, whose `python -m helios worker --build` prints the former, and replay it "
        "there, with the settings of here."
    )


def examined(row: Any, told: Told, people: tuple[dict[str, Any], ...], without: str) -> ExaminedTurn:
    """`without`: what is said of a turn that no history tells of."""
    draft = row.draft or {}
    record = {
        **row.record,
        "outcome": row.outcome,
        "attempts": row.attempt,
        "generator": draft.get("generator"),
        "model": draft.get("model"),
        "prompt_hash": draft.get("prompt_hash"),
        "citations": [
            {"source_id": each["source_id"], "version": each["version"]} for each in draft.get("citations", ())
        ],
        "received_at": row.received_at.isoformat(),
        "completed_at": row.completed_at.isoformat() if row.completed_at else None,
    }
    decision = told.by_turn.get(row.number)
    if told.shredded:
        return ExaminedTurn(row.number, record, "shredded", (), people)
    if decision is None or decision.understanding is None:
        return ExaminedTurn(row.number, record, without, (), people)
    differences = tuple(_differences(record, decision, erased=without == "erased"))
    return ExaminedTurn(row.number, record, "differs" if differences else "agrees", differences, people)


def _differences(record: dict[str, Any], decision: Decision, *, erased: bool) -> list[str]:
    """Where the two accounts of a turn tell different things. What was taken out of one contradicts nothing."""
    found = decision.understanding
    assert found is not None
    told: dict[str, Any] = {
        "language": found.language,
        "intent": {"name": found.intent, "confidence": found.intent_confidence},
        "situations": found.situations,
        "passages": [{"chunk_id": str(each.chunk_id), "score": each.score} for each in found.passages],
        "policy_version": found.policy_version,
    }
    if decision.delivered is not None:
        told["outcome"] = decision.delivered.outcome
    gone = TAKEN_OUT if erased else frozenset()
    return [
        f"{name}: the history says {value!r}, the record {record.get(name)!r}"
        for name, value in told.items()
        if record.get("reason") != "not_understood" and record.get(name) != value and name not in gone - record.keys()
    ]
