"""Runs of suites over what is published and what is drafted, with their history."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api import evaluation_examples as examples
from api.deciding import deciding
from api.described import described
from api.evaluation_models import DraftedVersions, NewEvaluation
from api.evaluation_suites import Reader, Writer
from api.idempotency import IdempotentRoute, resource_id
from api.pagination import Cursor, Limit, page, position, read_cursor
from api.problems import not_found
from api.starting import start_later
from api.state import State
from helios.evaluations.runs import open_run, start_evaluation, waiting
from helios.evaluations.shown import ONE_RUN, run_json, run_whole
from helios.evaluations.tested import Draft
from schema.evaluations import EvaluationRef

router = APIRouter(prefix="/v1/evaluations/runs", tags=["Evaluations"], route_class=IdempotentRoute)

Name = Annotated[str | None, Query(max_length=80, description="Only runs of the suite of this name")]
LIST = text(
    """
    SELECT run.*, suite.name, suite.version AS suite_version, suite.cases
    FROM evaluations AS run JOIN evaluation_suites AS suite
      ON suite.tenant_id = run.tenant_id AND suite.id = run.suite_id
    WHERE run.tenant_id = :tenant_id AND (CAST(:name AS text) IS NULL OR suite.name = :name)
      AND (CAST(:at AS timestamptz) IS NULL OR (run.created_at, run.id) < (:at, CAST(:after AS uuid)))
    ORDER BY run.created_at DESC, run.id DESC LIMIT :most
    """
)


@router.post(
    "",
    **described(
        {**examples.RUN, "status": "running", "done": 0, "passed": None, "finished_at": None},
        "forbidden", "not_found", "version_conflict", "evaluation_busy",
        body={"suite_id": examples.RUN["suite_id"], "draft": {"policy": 2}}, status=202, about="The run",
    ),
)  # fmt: skip
async def run_suite(body: NewEvaluation, request: Request, services: State, writer: Writer) -> Response:
    """Asks the suite's questions twice, as published and as if the draft were: with the screening, intents, retrieval,
    generation and checks of a turn, and without a conversation. Read what came of it from its id.
    """
    ref = EvaluationRef(writer.tenant_id, resource_id(request))
    async with deciding(services, writer) as connection:
        draft = await _draft(connection, writer.tenant_id, body.draft)
        await open_run(connection, ref, body.suite_id, draft, ("user", writer.id))
        row = (await connection.execute(ONE_RUN, {"tenant_id": ref.tenant_id, "id": ref.evaluation_id})).one()
    await start_later(start_evaluation(services.conversations.client, services.settings, ref), "evaluation")
    return JSONResponse(run_json(row), 202)


@router.get("", **described(examples.page(examples.RUN), "forbidden", "invalid_cursor", about="The runs"))
async def list_runs(
    services: State, reader: Reader, suite: Name = None, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The history, newest first: what was tested, by versions and a digest of all of it, and how many cases passed."""
    where = {"tenant_id": reader.tenant_id, "name": suite, "most": limit + 1, **position(read_cursor(cursor))}
    async with services.database.tenant(reader.tenant_id) as connection:
        rows = (await connection.execute(LIST, where)).all()
    return JSONResponse(page(rows, limit, run_json))


@router.get("/{evaluation_id}", **described(examples.RUN_WHOLE, "forbidden", "not_found", about="The run"))
async def read_run(evaluation_id: UUID, services: State, reader: Reader) -> Response:
    """How far it is, and each case with its answers, what was expected otherwise, and whether the draft does better or
    worse.
    """
    keys = await services.keyring.tenant(reader.tenant_id)
    async with deciding(services, reader) as connection:
        row: Any = (
            await connection.execute(ONE_RUN, {"tenant_id": reader.tenant_id, "id": evaluation_id})
        ).one_or_none()
        if row is None:
            not_found()
        return JSONResponse(await run_whole(connection, keys, row))


async def _draft(connection: AsyncConnection, tenant_id: UUID, asked: DraftedVersions | None) -> Draft:
    if asked is None:
        return await waiting(connection, tenant_id)
    articles = tuple((each.source_id, each.version) for each in asked.knowledge)
    return Draft(asked.policy, asked.redaction_rules, articles)
