"""Handing in a version of a source. Nothing of it is visible to anybody's question until it was approved."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios import audit
from helios.crypto import TenantKeys
from helios.refusals import Refused
from schema.ingestion import VersionRef
from schema.tables import KnowledgeSource, KnowledgeVersion

ORIGINAL = "knowledge_versions.original_ct"
LANGUAGE_SAMPLE = 4_000
"""Characters that tell the language of a document."""

FIND = text(
    """
    SELECT * FROM knowledge_sources WHERE tenant_id = :tenant_id AND deleted_at IS NULL
      AND (id = :source_id OR (CAST(:source_id AS uuid) IS NULL AND slug = :slug AND language = :language))
    FOR UPDATE
    """
)
SAME = text(
    """
    SELECT version.source_id, version.version FROM knowledge_versions AS version
    JOIN knowledge_sources AS source ON source.tenant_id = version.tenant_id AND source.id = version.source_id
    WHERE version.tenant_id = :tenant_id AND version.content_sha256 = :hash AND source.deleted_at IS NULL
      AND (CAST(:source_id AS uuid) IS NULL OR version.source_id = :source_id)
      AND version.status IN ('ingesting', 'pending_review', 'published')
    ORDER BY version.created_at, version.version LIMIT 1
    """
)
TAKEN = text(
    "SELECT slug FROM knowledge_sources WHERE tenant_id = :tenant_id AND language = :language "
    "AND deleted_at IS NULL AND (slug = :slug OR slug LIKE :slug || '-%')"
)
NEWEST = text(
    "SELECT coalesce(max(version), 0) FROM knowledge_versions WHERE tenant_id = :tenant_id AND source_id = :source_id"
)


@dataclass(frozen=True, slots=True)
class Submission:
    """What an editor hands in. Of a source that is there, `source_id` or `slug` makes it the next version."""

    title: str
    original: bytes | None
    """None: it is to be fetched from `url`."""
    media_type: str
    language: str
    visibility: str
    submitted_by: UUID
    source_id: UUID | None = None
    slug: str | None = None
    category: str | None = None
    tags: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    """Customers of one of these may see it; empty: all."""
    url: str | None = None
    effective_at: datetime | None = None
    expires_at: datetime | None = None

    def content_hash(self) -> str:
        """SHA-256 (hex) of all that a version says: the same again is no new version."""
        times = (each.timestamp() if each else None for each in (self.effective_at, self.expires_at))
        about = (self.title, self.visibility, self.language, self.category, self.tags, self.url, *times)
        about += (self.audiences,) if self.audiences else ()
        return hashlib.sha256(f"{about!r}\0{self.media_type}\0".encode() + (self.original or b"")).hexdigest()


async def submit(
    connection: AsyncConnection, keys: TenantKeys, made: Submission, new_source_id: UUID
) -> tuple[VersionRef, bool]:
    """Stores the version as `ingesting`: (which, whether it is new). `new_source_id` names a source that is not there.

    Raises `Refused` of code `not_found` for a `source_id` that does not exist.
    """
    tenant_id = keys.tenant_id
    await lock_submissions(connection, tenant_id)
    source = await _find(connection, tenant_id, made)
    if made.source_id is not None and source is None:
        raise Refused("not_found")
    known = source.id if source is not None else None
    if made.slug is None or known is not None:
        where = {"tenant_id": tenant_id, "hash": made.content_hash(), "source_id": known}
        same = (await connection.execute(SAME, where)).one_or_none()
        if same is not None:
            return VersionRef(tenant_id, same.source_id, same.version), False
    source_id = known or await _new_source(connection, tenant_id, made, new_source_id)
    newest = await connection.execute(NEWEST, {"tenant_id": tenant_id, "source_id": source_id})
    ref = VersionRef(tenant_id, source_id, int(newest.scalar_one()) + 1)
    await _store(connection, keys, ref, made)
    return ref, True


async def lock_submissions(connection: AsyncConnection, tenant_id: UUID) -> None:
    """One submission at a time decides what is new; two with the same content would both find nothing."""
    await connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 1))"), {"key": str(tenant_id)})


async def _find(connection: AsyncConnection, tenant_id: UUID, made: Submission) -> Any | None:
    if made.source_id is None and made.slug is None:
        return None
    where = {"tenant_id": tenant_id, "source_id": made.source_id, "slug": made.slug, "language": made.language}
    return (await connection.execute(FIND, where)).one_or_none()


async def _new_source(connection: AsyncConnection, tenant_id: UUID, made: Submission, source_id: UUID) -> UUID:
    slug = made.slug or slug_of(made.title)
    where = {"tenant_id": tenant_id, "language": made.language, "slug": slug}
    taken = set(await connection.scalars(TAKEN, where))
    number, free = 1, slug
    while free in taken:
        number += 1
        free = f"{slug}-{number}"
    await connection.execute(
        insert(KnowledgeSource).values(
            tenant_id=tenant_id, id=source_id, slug=free, language=made.language, title=made.title,
            visibility=made.visibility, category=made.category, tags=list(made.tags), url=made.url,
            audiences=list(made.audiences),
        )
    )  # fmt: skip
    return source_id


async def _store(connection: AsyncConnection, keys: TenantKeys, ref: VersionRef, made: Submission) -> None:
    context = (ref.source_id, ref.version)
    original_ct = keys.seal(made.original, ORIGINAL, context) if made.original is not None else None
    await connection.execute(
        insert(KnowledgeVersion).values(
            tenant_id=ref.tenant_id, source_id=ref.source_id, version=ref.version, status="ingesting",
            step="parsing" if made.original is not None else "fetching",
            title=made.title, content="", content_sha256=made.content_hash(), submitted_by=made.submitted_by,
            effective_at=made.effective_at, expires_at=made.expires_at, visibility=made.visibility,
            category=made.category, tags=list(made.tags), audiences=list(made.audiences), url=made.url,
            media_type=made.media_type,
            original_ct=original_ct,
        )
    )  # fmt: skip
    await audit.record(
        connection, ref.tenant_id, "knowledge.submitted", actor=("user", made.submitted_by),
        subject=("knowledge_source", ref.source_id),
        detail={"version": ref.version, "visibility": made.visibility, "sha256": made.content_hash()},
    )  # fmt: skip


def slug_of(title: str) -> str:
    """A short name out of a title: `Fees & charges` → `fees-charges`."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-") or "source"
