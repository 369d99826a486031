"""Runs of suites: case by case, as published and with the draft. What has a result is not looked at again, so a worker
that dies costs one case. Words are sealed under the tenant's key.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.rehearsal import Said, Stage, play
from activities.resources import Resources
from helios.crypto import Keys
from helios.evaluations.cleaning import Cleaned
from helios.evaluations.judging import failings, report
from helios.evaluations.runs import KNOWN, record, sides_of
from helios.evaluations.shown import DETAIL, place_of
from helios.evaluations.suites import find_suite, opened
from helios.evaluations.tested import Tested, digest_of
from helios.rules.policy import policy_of
from helios.rules.redaction import redaction_of
from helios.tenant_settings import TenantSettings
from schema.evaluations import Evaluated, EvaluationRef
from schema.tables import EvaluationResult

BATCH_S = 5.0
"""For how long a step takes up another case: what comes after it on the queue waits no longer than that and a case."""

RESULTS = text(
    "SELECT number, side, passed FROM evaluation_results WHERE tenant_id = :tenant_id AND evaluation_id = :id"
)
ADVANCE = text(
    """
    UPDATE evaluations SET done = (
        SELECT count(*) FROM evaluation_results WHERE tenant_id = :tenant_id AND evaluation_id = :id)
    WHERE tenant_id = :tenant_id AND id = :id AND status = 'running'
    """
)
END = text(
    "UPDATE evaluations SET status = :status, passed = :passed, report = :report, finished_at = now() "
    "WHERE tenant_id = :tenant_id AND id = :id AND status = 'running'"
).bindparams(bindparam("report", type_=JSONB(none_as_null=True)))
TENANT = text(
    "SELECT name, settings, "
    "(SELECT space FROM embedder_changes WHERE tenant_id = :tenant_id AND status = 'in_force') AS space "
    "FROM tenants WHERE id = :tenant_id"
)


@dataclass(frozen=True, slots=True)
class _Run:
    row: Any
    keys: Keys
    suite: Cleaned
    done: frozenset[tuple[str, int]]

    def left(self) -> Iterator[tuple[str, int]]:
        """Sides and cases without a result, in the order of the suite."""
        for number in range(len(self.suite.suite.cases)):
            for side in sides_of(self.row):
                if (side, number) not in self.done:
                    yield side, number


async def evaluate_next(resources: Resources, ref: EvaluationRef) -> Evaluated:
    """The next cases, for some seconds; after the last one the verdict."""
    run = await _read(resources, ref)
    if run is None:
        return Evaluated(0, 0)
    until, done = time.monotonic() + BATCH_S, len(run.done)
    stages: dict[str, Stage] = {}
    for side, number in run.left():
        if side not in stages:
            stages[side] = await _stage(resources, ref, run, side)
        await _look(resources, ref, run, stages[side], side, number)
        done += 1
        if time.monotonic() > until:
            break
    if done == run.row.total:
        await _end(resources, ref, run)
    return Evaluated(run.row.total, done)


async def fail_evaluation(resources: Resources, ref: EvaluationRef) -> None:
    """Says that it will get no further. What was found until then stays, and passes no gate."""
    async with resources.database.tenant(ref.tenant_id) as connection:
        if await _close(connection, ref, "failed", None, None):
            await record(connection, ref, "failed", {})


async def _read(resources: Resources, ref: EvaluationRef) -> _Run | None:
    """None where it runs no more: the suite was taken away."""
    keys = await resources.keyring.tenant(ref.tenant_id)
    async with resources.database.tenant(ref.tenant_id) as connection:
        row = (await connection.execute(KNOWN, _where(ref))).one()
        if row.status != "running":
            return None
        suite = opened(keys, await find_suite(connection, ref.tenant_id, row.suite_id))
        done = await connection.execute(RESULTS, _where(ref))
        return _Run(row, keys, suite, frozenset((each.side, each.number) for each in done))


async def _stage(resources: Resources, ref: EvaluationRef, run: _Run, side: str) -> Stage:
    tested = Tested.of(getattr(run.row, side))
    async with resources.database.tenant(ref.tenant_id) as connection:
        tenant = (await connection.execute(TENANT, {"tenant_id": ref.tenant_id})).one()
        return Stage(
            keys=run.keys,
            bank_name=tenant.name,
            settings=TenantSettings.of(tenant.settings),
            policy=await policy_of(connection, ref.tenant_id, tested.policy),
            redaction=await redaction_of(connection, ref.tenant_id, tested.redaction_rules),
            intents=await resources.tenant_intents.of(connection, ref.tenant_id, tested.intents, resources.encoder),
            space=tenant.space,
            drafts=tested.knowledge,
            audiences=run.suite.suite.audiences,
        )


async def _look(resources: Resources, ref: EvaluationRef, run: _Run, stage: Stage, side: str, number: int) -> None:
    suite = run.suite.suite
    case = suite.cases[number]
    said = [Said(words, run.suite.secrets.get((number, n), ())) for n, words in enumerate(case.messages)]
    played = await play(resources, stage, said, case.language or suite.language)
    wrong = failings(case.expect, played)
    detail = {**asdict(played), "failings": wrong}
    values = {
        "number": number, "side": side, "passed": not wrong, "outcome": played.outcome,
        "detail_ct": run.keys.seal_json(detail, DETAIL, place_of(ref.evaluation_id, number, side)),
    }  # fmt: skip
    async with resources.database.tenant(ref.tenant_id) as connection:
        result = insert(EvaluationResult).values(tenant_id=ref.tenant_id, evaluation_id=ref.evaluation_id, **values)
        await connection.execute(result.on_conflict_do_nothing())
        await connection.execute(ADVANCE, _where(ref))


async def _end(resources: Resources, ref: EvaluationRef, run: _Run) -> None:
    """The verdict. There is none where what is in force has changed meanwhile: cases saw different things."""
    async with resources.database.tenant(ref.tenant_id) as connection:
        rows = await connection.execute(RESULTS, _where(ref))
        told = report(run.suite.suite, {(row.side, row.number): row.passed for row in rows})
        digests = [await digest_of(connection, ref.tenant_id, Tested.of(each))
                   for each in (run.row.published, run.row.draft)]  # fmt: skip
        if digests != [run.row.published_digest, run.row.draft_digest]:
            if await _close(connection, ref, "outdated", None, told):
                await record(connection, ref, "outdated", {})
            return
        passed = not told["failed_because"]
        if await _close(connection, ref, "done", passed, told):
            figures = {name: told[name] for name in ("cases", "published", "draft")}
            changed = {name: len(told[name]) for name in ("worse", "better")}
            await record(connection, ref, "done", {"passed": passed, **figures, **changed})


async def _close(
    connection: AsyncConnection, ref: EvaluationRef, status: str, passed: bool | None, told: dict[str, Any] | None
) -> int:
    ended = {"status": status, "passed": passed, "report": told}
    return (await connection.execute(END, {**_where(ref), **ended})).rowcount


def _where(ref: EvaluationRef) -> dict[str, Any]:
    return {"tenant_id": ref.tenant_id, "id": ref.evaluation_id}
