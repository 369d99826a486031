"""A suite and a run as people and programs read them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any
from uuid import UUID

import yaml
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios.crypto import Keys
from helios.evaluations.cleaning import as_written
from helios.evaluations.picture import RUNS_MOST, Point
from helios.evaluations.runs import sides_of
from helios.evaluations.suites import find_suite, opened
from helios.times import moment

DETAIL = "evaluation_results.detail_ct"
ANSWERS_KEPT_DAYS = 90
RESULTS = text(
    "SELECT * FROM evaluation_results WHERE tenant_id = :tenant_id AND evaluation_id = :id ORDER BY number, side"
)

ONE_RUN = text(
    """
    SELECT run.*, suite.name, suite.version AS suite_version, suite.cases
    FROM evaluations AS run JOIN evaluation_suites AS suite
      ON suite.tenant_id = run.tenant_id AND suite.id = run.suite_id
    WHERE run.tenant_id = :tenant_id AND run.id = :id
    """
)
HISTORY = text(
    """
    SELECT * FROM (
        SELECT run.id, run.suite_id, run.created_at, run.passed, run.report, suite.version, suite.cases
        FROM evaluations AS run JOIN evaluation_suites AS suite
          ON suite.tenant_id = run.tenant_id AND suite.id = run.suite_id
        WHERE run.tenant_id = :tenant_id AND suite.name = :name AND run.status = 'done'
        ORDER BY run.created_at DESC, run.id DESC LIMIT :most
    ) AS newest ORDER BY created_at, id
    """
)


def place_of(evaluation_id: UUID, number: int, side: str) -> tuple[UUID, int, str]:
    """What a result's sealed values are bound to."""
    return evaluation_id, number, side


def suite_json(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.id),
        **{name: getattr(row, name) for name in ("name", "version", "status", "cases", "guards", "masked")},
        "created_by": str(row.created_by) if row.created_by else None,
        "created_at": moment(row.created_at),
    }


def suite_whole(keys: Keys, row: Any) -> dict[str, Any]:
    """With its document, as JSON and as YAML; null once it was removed."""
    document = as_written(opened(keys, row).suite) if row.document_ct is not None else None
    written = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110) if document else None
    return {**suite_json(row), "document": document, "yaml": written}


def run_json(row: Any) -> dict[str, Any]:
    """`row` has its suite's `name` and `suite_version` besides."""
    report = row.report or {}
    return {
        **{name: str(getattr(row, name)) for name in ("id", "suite_id")},
        "suite": row.name,
        "suite_version": row.suite_version,
        **{name: getattr(row, name) for name in ("status", "total", "done", "passed")},
        "failed_because": report.get("failed_because", []),
        "cases": row.cases,
        "published": {**row.published, "digest": row.published_digest, "passed": report.get("published")},
        "draft": {**row.draft, "digest": row.draft_digest, "passed": report.get("draft")} if _drafted(row) else None,
        **{name: len(report.get(name, ())) for name in ("worse", "better")},
        "created_by": str(row.created_by) if row.created_by else None,
        **{name: moment(getattr(row, name)) for name in ("created_at", "finished_at")},
    }


async def run_whole(connection: AsyncConnection, keys: Keys, row: Any) -> dict[str, Any]:
    """With what came of each case. Of a suite that was removed, and after 90 days, only the figures are left."""
    suite = await find_suite(connection, row.tenant_id, row.suite_id)
    known = opened(keys, suite).suite.cases if suite.document_ct is not None else ()
    by_case: dict[int, dict[str, Any]] = {}
    for each in await connection.execute(RESULTS, {"tenant_id": row.tenant_id, "id": row.id}):
        by_case.setdefault(each.number, {})[each.side] = _result_json(keys, each)
    items = [
        {
            "number": number,
            "name": known[number].name if known else None,
            "messages": list(known[number].messages) if known else None,
            "must": known[number].must if known else None,
            "change": _change(found),
            **{side: found.get(side) for side in ("published", "draft")},
        }
        for number, found in sorted(by_case.items())
    ]
    return {**run_json(row), "items": items}


def _drafted(row: Any) -> bool:
    return "draft" in sides_of(row)


def _change(found: Mapping[str, Any]) -> str | None:
    if "draft" not in found or "published" not in found:
        return None
    before, after = found["published"]["passed"], found["draft"]["passed"]
    return "same" if before == after else "better" if after else "worse"


def _result_json(keys: Keys, row: Any) -> dict[str, Any]:
    detail = {}
    if row.detail_ct is not None:
        detail = keys.open_json(row.detail_ct, DETAIL, place_of(row.evaluation_id, row.number, row.side))
    names = ("failings", "answer", "cites", "situations", "intent", "language", "confidence", "reasons", "generator",
             "turn")  # fmt: skip
    return {"passed": row.passed, "outcome": row.outcome, **{name: detail.get(name) for name in names}}


async def history(connection: AsyncConnection, keys: Keys, row: Any) -> tuple[list[Point], list[str], list[str]]:
    """The runs of all versions of a suite, oldest first, and the names of the cases that the newest one's draft does
    worse and better.
    """
    where = {"tenant_id": row.tenant_id, "name": row.name, "most": RUNS_MOST}
    runs = (await connection.execute(HISTORY, where)).all()
    points = [
        Point(run.created_at.astimezone(UTC), run.version, run.cases, run.report["published"], run.report["draft"],
              run.passed) for run in runs
    ]  # fmt: skip
    if not runs:
        return points, [], []
    suite = await find_suite(connection, row.tenant_id, runs[-1].suite_id)
    cases = opened(keys, suite).suite.cases if suite.document_ct is not None else ()
    worse, better = ([cases[n].name for n in runs[-1].report[name] if cases] for name in ("worse", "better"))
    return points, worse, better
