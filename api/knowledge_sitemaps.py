"""Sitemaps: a site's pages become sources, and each is looked at again by a schedule."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text

from api import knowledge_examples as examples
from api.authentication import caller
from api.cleaning import clean
from api.described import described
from api.idempotency import IdempotentRoute
from api.knowledge_submitting import allowed_address
from api.models import NewSitemap
from api.pagination import Cursor, Limit, page, read_cursor
from api.problems import not_found
from api.starting import start_later
from api.state import State
from helios import audit
from helios.knowledge import pages
from helios.knowledge.starting import start_sync
from helios.times import moment
from helios.tokens import Identity

router = APIRouter(prefix="/v1/knowledge/sitemaps", tags=["Knowledge"], route_class=IdempotentRoute)

Reader = Annotated[Identity, Depends(caller("knowledge.read"))]
Editor = Annotated[Identity, Depends(caller("knowledge.write"))]

LIST = text(
    """
    SELECT sitemap.*, (
        SELECT coalesce(jsonb_object_agg(outcome, number), '{}') FROM (
            SELECT coalesce(outcome, 'waiting') AS outcome, count(*) AS number FROM knowledge_pages AS page
            WHERE page.tenant_id = sitemap.tenant_id AND page.sitemap_id = sitemap.id AND page.kind = 'page'
            GROUP BY 1) AS counted
    ) AS pages
    FROM knowledge_pages AS sitemap
    WHERE tenant_id = :tenant_id AND kind = 'sitemap' AND sitemap_id IS NULL
      AND (CAST(:id AS uuid) IS NULL OR id = :id)
      AND (CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, CAST(:after AS uuid)))
    ORDER BY created_at DESC, id DESC LIMIT :most
    """
)
REMOVE = text("DELETE FROM knowledge_pages WHERE tenant_id = :tenant_id AND id = :id AND kind = 'sitemap'")
ONE = {"id": None, "at": None, "after": None, "most": 1}


@router.post(
    "",
    **described(
        examples.SITEMAP,
        "forbidden",
        status=202,
        body={"url": "https://www.meridianbank.example/sitemap.xml", "tags": ["website"]},
        about="It is being read",
    ),
)
async def register_sitemap(body: NewSitemap, services: State, editor: Editor) -> Response:
    """Reads the sitemap, and each page of the same host that it lists; each becomes a source that waits for a review.

    The same address again takes the place of what was registered.
    """
    url = allowed_address(body.url)
    about = {"language": body.language, "visibility": body.visibility, "tags": [clean(tag) for tag in body.tags],
             "category": clean(body.category) if body.category else None}  # fmt: skip
    async with services.database.tenant(editor.tenant_id) as connection:
        sitemap_id = await pages.add(connection, editor.tenant_id, "sitemap", url, editor.id, **about)
        await audit.record(
            connection, editor.tenant_id, "knowledge.sitemap_registered", actor=("user", editor.id),
            subject=("knowledge_sitemap", sitemap_id), detail={"visibility": body.visibility},
        )  # fmt: skip
        where = {**ONE, "tenant_id": editor.tenant_id, "id": sitemap_id}
        row = (await connection.execute(LIST, where)).one()
    await start_later(start_sync(services.conversations.client, services.settings, editor.tenant_id), "sync")
    return JSONResponse(_sitemap_json(row), 202)


@router.get("", **described(examples.page(examples.SITEMAP), "forbidden", "invalid_cursor", about="The sitemaps"))
async def list_sitemaps(services: State, reader: Reader, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """The registered sitemaps, newest first, with what became of their pages when they were last looked at."""
    after = read_cursor(cursor)
    where = {**ONE, "tenant_id": reader.tenant_id, "at": after[0] if after else None,
             "after": after[1] if after else None, "most": limit + 1}  # fmt: skip
    async with services.database.tenant(reader.tenant_id) as connection:
        rows = (await connection.execute(LIST, where)).all()
    return JSONResponse(page(rows, limit, _sitemap_json))


@router.delete("/{sitemap_id}", **described(None, "forbidden", "not_found", status=204, about="It is gone"))
async def remove_sitemap(sitemap_id: UUID, services: State, editor: Editor) -> Response:
    """Looks at it and its pages no more. The sources that came of them stay."""
    async with services.database.tenant(editor.tenant_id) as connection:
        removed = await connection.execute(REMOVE, {"tenant_id": editor.tenant_id, "id": sitemap_id})
        if not removed.rowcount:
            not_found()
        await audit.record(
            connection, editor.tenant_id, "knowledge.sitemap_removed", actor=("user", editor.id),
            subject=("knowledge_sitemap", sitemap_id),
        )  # fmt: skip
    return Response(status_code=204)


def _sitemap_json(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "url": row.url,
        "language": row.language,
        "visibility": row.visibility,
        "category": row.category,
        "tags": row.tags,
        "outcome": row.outcome,
        "pages": row.pages,
        "created_at": moment(row.created_at),
        "checked_at": moment(row.checked_at),
        "next_check_at": moment(row.next_check_at),
    }
