"""Opens and starts runs of suites. A run's row says that it runs, so a start that was lost is made up for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio.client import Client

from helios import audit
from helios.audit import ActorType
from helios.database import Database
from helios.evaluations.suites import find_suite
from helios.evaluations.tested import Draft, digest_of, in_force
from helios.every_tenant import ask_every_tenant
from helios.refusals import Refused
from helios.rules.versions import POLICIES, REDACTION_RULES, find
from helios.settings import Settings
from helios.temporal import start_batch
from schema.evaluations import EVALUATION_WORKFLOW, EvaluationRef, evaluation_workflow_id
from schema.tables import Evaluation

RUNNING_MOST = 5
"""Of a tenant at a time: the queue is everybody's."""
KNOWN = text("SELECT * FROM evaluations WHERE tenant_id = :tenant_id AND id = :id")
IN_WORK = text("SELECT count(*) FROM evaluations WHERE tenant_id = :tenant_id AND status = 'running'")
WAITING_RULES = """
    SELECT max(version) FROM {table} WHERE tenant_id = :tenant_id AND status = 'draft'
      AND version > (SELECT version FROM {table} WHERE tenant_id = :tenant_id AND status = 'published')
"""
WAITING_POLICY, WAITING_REDACTION = (
    text(WAITING_RULES.format(table=kind.table)) for kind in (POLICIES, REDACTION_RULES)
)
WAITING_KNOWLEDGE = text(
    """
    SELECT version.source_id, max(version.version) AS version
    FROM knowledge_versions AS version JOIN knowledge_sources AS source
      ON source.tenant_id = version.tenant_id AND source.id = version.source_id
    WHERE version.tenant_id = :tenant_id AND version.status = 'pending_review' AND source.deleted_at IS NULL
    GROUP BY version.source_id ORDER BY version.source_id
    """
)
READY = text(
    """
    SELECT version.status FROM knowledge_versions AS version JOIN knowledge_sources AS source
      ON source.tenant_id = version.tenant_id AND source.id = version.source_id
    WHERE version.tenant_id = :tenant_id AND version.source_id = :source_id AND version.version = :version
      AND source.deleted_at IS NULL
    """
)
RUNNING = "SELECT id FROM evaluations WHERE tenant_id = $1 AND status = 'running' LIMIT 50"


async def waiting(connection: AsyncConnection, tenant_id: UUID) -> Draft:
    """All that waits to be published: the newest draft of each kind of rules, and of each article."""
    where = {"tenant_id": tenant_id}
    policy = (await connection.execute(WAITING_POLICY, where)).scalar_one_or_none()
    redaction = (await connection.execute(WAITING_REDACTION, where)).scalar_one_or_none()
    articles = await connection.execute(WAITING_KNOWLEDGE, where)
    return Draft(policy, redaction, tuple((row.source_id, row.version) for row in articles))


async def open_run(
    connection: AsyncConnection,
    ref: EvaluationRef,
    suite_id: UUID,
    draft: Draft,
    actor: tuple[ActorType, UUID | None],
) -> Any:
    """Stores that the suite runs, over what is published and over that with the draft, and returns the row. The same id
    again changes nothing. Raises `Refused` of codes `not_found`, `version_conflict` and `evaluation_busy`.
    """
    where = {"tenant_id": ref.tenant_id, "id": ref.evaluation_id}
    known = (await connection.execute(KNOWN, where)).one_or_none()
    if known is not None:
        return known
    suite = await find_suite(connection, ref.tenant_id, suite_id)
    if suite.status != "current":
        raise Refused("version_conflict", f"This version of the suite is {suite.status}.")
    await _require_versions(connection, ref.tenant_id, draft)
    if (await connection.execute(IN_WORK, where)).scalar_one() >= RUNNING_MOST:
        raise Refused("evaluation_busy", f"{RUNNING_MOST} suites are running already.")
    published = await in_force(connection, ref.tenant_id)
    drafted = published.with_draft(draft)
    digests = [await digest_of(connection, ref.tenant_id, each) for each in (published, drafted)]
    values = {
        "suite_id": suite_id, "published": published.json(), "draft": drafted.json(), "created_by": actor[1],
        "published_digest": digests[0], "draft_digest": digests[1],
        "total": suite.cases * len(set(digests)),
    }  # fmt: skip
    await connection.execute(
        insert(Evaluation).values(tenant_id=ref.tenant_id, id=ref.evaluation_id, **values).on_conflict_do_nothing()
    )
    detail = {"suite_id": str(suite_id), "draft": drafted.json(), "digest": digests[1]}
    await record(connection, ref, "started", detail, actor)
    return (await connection.execute(KNOWN, where)).one()


async def _require_versions(connection: AsyncConnection, tenant_id: UUID, draft: Draft) -> None:
    for kind, version in ((POLICIES, draft.policy), (REDACTION_RULES, draft.redaction_rules)):
        if version is not None:
            await find(connection, kind, tenant_id, version)
    if len({source for source, _ in draft.knowledge}) < len(draft.knowledge):
        raise Refused("version_conflict", "Of an article one version is tested at a time.")
    for source_id, version in draft.knowledge:
        where = {"tenant_id": tenant_id, "source_id": source_id, "version": version}
        status = (await connection.execute(READY, where)).scalar_one_or_none()
        if status is None:
            raise Refused("not_found")
        if status not in ("pending_review", "published", "superseded"):
            raise Refused("version_conflict", f"Version {version} of an article is {status}.")


async def record(
    connection: AsyncConnection,
    ref: EvaluationRef,
    done: str,
    detail: dict[str, Any],
    actor: tuple[ActorType, UUID | None] = ("system", None),
) -> None:
    subject = ("evaluation", ref.evaluation_id)
    await audit.record(connection, ref.tenant_id, f"evaluation.{done}", actor=actor, subject=subject, detail=detail)


async def start_evaluations(database: Database, client: Client, settings: Settings) -> int:
    """One round over all tenants. Returns for how many runs a workflow was asked for."""
    running = await ask_every_tenant(database, RUNNING)
    for found in running:
        await start_evaluation(client, settings, EvaluationRef(found.tenant_id, UUID(found.row["id"])))
    return len(running)


async def start_evaluation(client: Client, settings: Settings, ref: EvaluationRef) -> None:
    name, summary = evaluation_workflow_id(ref), "A suite over what is published and what is drafted"
    await start_batch(client, settings, EVALUATION_WORKFLOW, ref, id=name, tenant_id=ref.tenant_id, summary=summary)


def sides_of(row: Any) -> Sequence[str]:
    """What a run looks at: only what is published, where the draft would change nothing that customers are told."""
    return ("published",) if row.published_digest == row.draft_digest else ("published", "draft")
