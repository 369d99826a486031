"""What becomes of a version: approved, rejected, published, superseded, withdrawn, rolled back to.

Each function works inside the caller's transaction and locks the source's row first, so of two people who decide in the
same moment one finds it decided. docs/knowledge.md draws the states.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios import audit
from helios.audit import ActorType
from helios.evaluations.guard import require_passed
from helios.evaluations.tested import Draft
from helios.ids import new_id
from helios.knowledge.gap_draft import unfinished
from helios.refusals import Refused
from schema.ingestion import VersionRef
from schema.tables import Publication

Actor = tuple[ActorType, UUID | None]

LOCK = text(
    "SELECT * FROM knowledge_sources WHERE tenant_id = :tenant_id AND id = :source_id AND deleted_at IS NULL FOR UPDATE"
)
VERSION = text(
    "SELECT * FROM knowledge_versions WHERE tenant_id = :tenant_id AND source_id = :source_id AND version = :version"
)
DECIDE = text(
    """
    UPDATE knowledge_versions SET decision = :decision, approved_by = :actor, reviewed_at = now(), note = :note,
        publish_at = :publish_at, status = :status, updated_at = now()
    WHERE tenant_id = :tenant_id AND source_id = :source_id AND version = :version
    """
)
SET_STATUS = text(
    "UPDATE knowledge_versions SET status = :status, updated_at = now() "
    "WHERE tenant_id = :tenant_id AND source_id = :source_id AND version = :version"
)
WITHDRAW = text(
    "UPDATE knowledge_versions SET status = 'withdrawn', note = coalesce(CAST(:note AS text), note), "
    "updated_at = now() WHERE tenant_id = :tenant_id AND source_id = :source_id AND version = :version"
)
WITHDRAW_ALL = text(
    "UPDATE knowledge_versions SET status = 'withdrawn', updated_at = now() WHERE tenant_id = :tenant_id "
    "AND source_id = :source_id AND status IN ('ingesting', 'pending_review', 'published', 'superseded')"
)
END = text(
    "UPDATE publications SET ended_at = now(), ended_by = :actor "
    "WHERE tenant_id = :tenant_id AND source_id = :source_id AND ended_at IS NULL"
)
PUBLISH = text(
    """
    UPDATE knowledge_sources AS source SET published_version = version.version, title = version.title,
        visibility = version.visibility, category = version.category, tags = version.tags, url = version.url,
        audiences = version.audiences
    FROM knowledge_versions AS version
    WHERE source.tenant_id = :tenant_id AND source.id = :source_id AND version.tenant_id = :tenant_id
      AND version.source_id = :source_id AND version.version = :version
    """
)
UNPUBLISH = text(
    "UPDATE knowledge_sources SET published_version = NULL, "
    "deleted_at = CASE WHEN :deleted THEN now() ELSE deleted_at END WHERE tenant_id = :tenant_id AND id = :source_id"
)
LAST_SUPERSEDED = text(
    """
    SELECT version.version FROM publications JOIN knowledge_versions AS version USING (tenant_id, source_id, version)
    WHERE publications.tenant_id = :tenant_id AND publications.source_id = :source_id AND version.status = 'superseded'
    ORDER BY publications.ended_at DESC, publications.id DESC LIMIT 1
    """
)


async def approve(
    connection: AsyncConnection,
    ref: VersionRef,
    approver: UUID,
    publish_at: datetime | None,
    note: str | None,
    *,
    force: bool = False,
) -> datetime | None:
    """Approves a version and publishes it, unless its time is yet to come: then that moment is returned.

    The time is the later of `publish_at` and the version's own `effective_at`, so that the version before it stays
    until then. `force`: although a suite that guards knowledge has not passed, of which `note` says why.
    """
    source, version = await _reviewable(connection, ref, approver)
    if unfinished(version.content):
        raise Refused("version_conflict", "Parts of it are still to be written: hand in the next version with them.")
    draft = Draft(knowledge=((ref.source_id, ref.version),))
    await require_passed(connection, ref.tenant_id, "knowledge", draft, approver, note, force=force)
    moments = [each for each in (publish_at, version.effective_at) if each is not None and each > datetime.now(UTC)]
    at = max(moments, default=None)
    decided = {"decision": "approve", "actor": approver, "note": note, "publish_at": at, "status": "pending_review"}
    await connection.execute(DECIDE, {**_where(ref), **decided})
    await _record(connection, ref, "approved", ("user", approver), {"publish_at": at.isoformat() if at else None})
    if at is None:
        await publish(connection, ref, source, ("user", approver))
    return at


async def reject(connection: AsyncConnection, ref: VersionRef, reviewer: UUID, note: str | None) -> None:
    await _reviewable(connection, ref, reviewer)
    decided = {"decision": "reject", "actor": reviewer, "note": note, "publish_at": None, "status": "withdrawn"}
    await connection.execute(DECIDE, {**_where(ref), **decided})
    await _record(connection, ref, "rejected", ("user", reviewer))


async def publish_approved(connection: AsyncConnection, ref: VersionRef, at: datetime) -> bool:
    """Publishes what was approved for this moment, if that still stands. Whether the version is published now."""
    source = (await connection.execute(LOCK, _where(ref))).one_or_none()
    version = (await connection.execute(VERSION, _where(ref))).one_or_none()
    if source is None or version is None:
        return False
    if version.status == "pending_review" and version.decision == "approve" and version.publish_at == at:
        await publish(connection, ref, source, ("user", version.approved_by))
        return True
    return bool(version.status == "published")


async def publish(connection: AsyncConnection, ref: VersionRef, source: Any, actor: Actor) -> None:
    """From the end of this transaction on answers rest on this version. `source` is its row, locked."""
    where = _where(ref)
    if source.published_version is not None and source.published_version != ref.version:
        before = VersionRef(ref.tenant_id, ref.source_id, source.published_version)
        await connection.execute(SET_STATUS, {**_where(before), "status": "superseded"})
        await _record(connection, before, "superseded", actor)
    await connection.execute(END, {**where, "actor": actor[1]})
    await connection.execute(SET_STATUS, {**where, "status": "published"})
    await connection.execute(PUBLISH, where)
    await connection.execute(insert(Publication).values(**where, id=new_id(), published_by=actor[1]))
    await _record(connection, ref, "published", actor)


async def withdraw(connection: AsyncConnection, ref: VersionRef, actor: UUID, note: str | None) -> None:
    """Nobody's answer rests on it any more, and nothing takes its place by itself."""
    source, version = await _locked(connection, ref)
    if version.status not in ("pending_review", "published", "superseded"):
        _not_in_this_state(version)
    if source.published_version == ref.version:
        await connection.execute(END, {**_where(ref), "actor": actor})
        await connection.execute(UNPUBLISH, {**_where(ref), "deleted": False})
    await connection.execute(WITHDRAW, {**_where(ref), "note": note})
    await _record(connection, ref, "withdrawn", ("user", actor))


async def roll_back(connection: AsyncConnection, tenant_id: UUID, source_id: UUID, actor: UUID) -> VersionRef:
    """Publishes again what was published before, and returns it. What is published now is superseded."""
    source = await _source(connection, tenant_id, source_id)
    where = {"tenant_id": tenant_id, "source_id": source_id}
    before = (await connection.execute(LAST_SUPERSEDED, where)).scalar_one_or_none()
    if before is None:
        raise Refused("version_conflict", "No earlier version can be published again.")
    ref = VersionRef(tenant_id, source_id, before)
    version = (await connection.execute(VERSION, _where(ref))).one()
    if version.submitted_by == actor:
        raise Refused("four_eyes", "Whoever submitted a version may not bring it back.")
    await publish(connection, ref, source, ("user", actor))
    await _record(connection, ref, "rolled_back", ("user", actor), {"from": source.published_version})
    return ref


async def delete_source(connection: AsyncConnection, tenant_id: UUID, source_id: UUID, actor: UUID) -> None:
    """The source is gone for everybody; its versions stay for the record, withdrawn."""
    await _source(connection, tenant_id, source_id)
    where = {"tenant_id": tenant_id, "source_id": source_id}
    await connection.execute(END, {**where, "actor": actor})
    await connection.execute(UNPUBLISH, {**where, "deleted": True})
    await connection.execute(WITHDRAW_ALL, where)
    await audit.record(
        connection, tenant_id, "knowledge.deleted", actor=("user", actor), subject=("knowledge_source", source_id)
    )


async def _reviewable(connection: AsyncConnection, ref: VersionRef, reviewer: UUID) -> tuple[Any, Any]:
    source, version = await _locked(connection, ref)
    if version.submitted_by == reviewer:
        raise Refused("four_eyes", "Whoever submitted a version may not review it, in whatever role.")
    if version.status != "pending_review" or version.decision is not None:
        _not_in_this_state(version)
    return source, version


async def _locked(connection: AsyncConnection, ref: VersionRef) -> tuple[Any, Any]:
    source = await _source(connection, ref.tenant_id, ref.source_id)
    version = (await connection.execute(VERSION, _where(ref))).one_or_none()
    if version is None:
        raise Refused("not_found")
    return source, version


async def _source(connection: AsyncConnection, tenant_id: UUID, source_id: UUID) -> Any:
    found = await connection.execute(LOCK, {"tenant_id": tenant_id, "source_id": source_id})
    row = found.one_or_none()
    if row is None:
        raise Refused("not_found")
    return row


def _not_in_this_state(version: Any) -> NoReturn:
    approved = version.status == "pending_review" and version.decision == "approve"
    state = "approved for a later time" if approved else version.status.replace("_", " ")
    raise Refused("version_conflict", f"The version is {state}.")


async def _record(
    connection: AsyncConnection, ref: VersionRef, done: str, actor: Actor, more: Mapping[str, Any] | None = None
) -> None:
    await audit.record(
        connection, ref.tenant_id, f"knowledge.{done}", actor=actor, subject=("knowledge_source", ref.source_id),
        detail={"version": ref.version, **(more or {})},
    )  # fmt: skip


def _where(ref: VersionRef) -> dict[str, Any]:
    return {"tenant_id": ref.tenant_id, "source_id": ref.source_id, "version": ref.version}
