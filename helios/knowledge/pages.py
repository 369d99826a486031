"""The pages and sitemaps that a tenant's knowledge is taken from, and which of them is to be looked at next."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from helios.ids import new_id
from helios.knowledge.fetching import Seen
from schema.tables import KnowledgePage

LEASE = timedelta(minutes=10)
"""A page whose turn ended with its worker comes up again after so long."""

FIND = text(
    """
    SELECT page.id, page.source_id, newest.version FROM knowledge_pages AS page
    JOIN knowledge_sources AS source ON source.tenant_id = page.tenant_id AND source.id = page.source_id
    JOIN LATERAL (
        SELECT max(version) AS version FROM knowledge_versions
        WHERE tenant_id = page.tenant_id AND source_id = page.source_id
    ) AS newest ON true
    WHERE page.tenant_id = :tenant_id AND page.url = :url AND page.kind = 'page' AND source.deleted_at IS NULL
    """
)
FORGET = text("DELETE FROM knowledge_pages WHERE tenant_id = :tenant_id AND kind = :kind AND url = :url")
# A page whose source was deleted is looked at no more.
CLAIM = text(
    """
    UPDATE knowledge_pages SET next_check_at = now() + CAST(:lease AS interval)
    WHERE tenant_id = :tenant_id AND id = (
        SELECT page.id FROM knowledge_pages AS page
        LEFT JOIN knowledge_sources AS source ON source.tenant_id = page.tenant_id AND source.id = page.source_id
        WHERE page.tenant_id = :tenant_id AND page.next_check_at <= now() AND source.deleted_at IS NULL
        ORDER BY page.next_check_at, page.id LIMIT 1 FOR UPDATE OF page SKIP LOCKED
    ) RETURNING *
    """
)
NOTE = text(
    """
    UPDATE knowledge_pages SET outcome = :outcome, checked_at = now(),
        next_check_at = now() + CAST(:period AS interval),
        source_id = coalesce(CAST(:source_id AS uuid), source_id),
        etag = CASE WHEN :answered THEN :etag ELSE etag END,
        last_modified = CASE WHEN :answered THEN :last_modified ELSE last_modified END,
        content_sha256 = coalesce(CAST(:content_sha256 AS text), content_sha256)
    WHERE tenant_id = :tenant_id AND id = :id
    """
)
DUE = text("UPDATE knowledge_pages SET next_check_at = now() WHERE tenant_id = :tenant_id AND id = :id")
OF_SOURCE = text(
    "SELECT * FROM knowledge_pages WHERE tenant_id = :tenant_id AND source_id = :source_id AND kind = 'page' "
    "ORDER BY created_at LIMIT 1"
)


async def find_page(connection: AsyncConnection, tenant_id: UUID, url: str) -> Any | None:
    """The page of this address, with the newest version of its source, unless that was deleted."""
    return (await connection.execute(FIND, {"tenant_id": tenant_id, "url": url})).one_or_none()


async def add(connection: AsyncConnection, tenant_id: UUID, kind: str, url: str, by: UUID, **about: Any) -> UUID:
    """Registers a page or a sitemap in place of what was registered at this address. Returns its id."""
    await connection.execute(FORGET, {"tenant_id": tenant_id, "kind": kind, "url": url})
    page_id = new_id()
    row = {"tenant_id": tenant_id, "id": page_id, "kind": kind, "url": url, "registered_by": by, **about}
    await connection.execute(insert(KnowledgePage).values(row))
    return page_id


async def add_listed(connection: AsyncConnection, sitemap: Any, found: Iterable[tuple[str, str]]) -> int:
    """Registers what a sitemap lists, as (kind, address), with what holds for all of its pages. How many are new."""
    rows = [
        {"tenant_id": sitemap.tenant_id, "id": new_id(), "kind": kind, "url": url, "sitemap_id": _root(sitemap),
         "registered_by": sitemap.registered_by, "language": sitemap.language, "visibility": sitemap.visibility,
         "category": sitemap.category, "tags": sitemap.tags}
        for kind, url in found
    ]  # fmt: skip
    if not rows:
        return 0
    done = await connection.execute(upsert(KnowledgePage).values(rows).on_conflict_do_nothing())
    return int(done.rowcount)


async def claim(connection: AsyncConnection, tenant_id: UUID) -> Any | None:
    """The page or sitemap that has waited longest for its turn; nobody else gets it for a while."""
    return (await connection.execute(CLAIM, {"tenant_id": tenant_id, "lease": LEASE})).one_or_none()


async def note(
    connection: AsyncConnection, page: Any, outcome: str, period: timedelta, *, seen: Seen | None = None,
    content_sha256: str | None = None, source_id: UUID | None = None,
) -> None:  # fmt: skip
    """What came of looking at it. Without `seen` and `content_sha256` what is known of its content stays."""
    told = seen or Seen()
    await connection.execute(
        NOTE,
        {"tenant_id": page.tenant_id, "id": page.id, "outcome": outcome, "period": period, "source_id": source_id,
         "answered": seen is not None, "etag": told.etag, "last_modified": told.last_modified,
         "content_sha256": content_sha256},
    )  # fmt: skip


async def make_due(connection: AsyncConnection, tenant_id: UUID, page_id: UUID) -> None:
    await connection.execute(DUE, {"tenant_id": tenant_id, "id": page_id})


async def page_of_source(connection: AsyncConnection, tenant_id: UUID, source_id: UUID) -> Any | None:
    return (await connection.execute(OF_SOURCE, {"tenant_id": tenant_id, "source_id": source_id})).one_or_none()


def _root(sitemap: Any) -> UUID:
    found: UUID = sitemap.sitemap_id or sitemap.id
    return found
