"""A tenant's published public articles as plain pages, so that a customer can open what an answer cites.

Nobody signs in here: only what is public is ever found, and everything else does not exist. A version that was replaced
stays readable, because answers cite it; one that was withdrawn does not.
"""

from __future__ import annotations

import hashlib
import html
import re
from functools import lru_cache
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from markdown_it import MarkdownIt
from sqlalchemy import text

from api.problems import not_found
from api.state import Services, State
from helios.knowledge.addresses import HELP, help_path
from helios.texts import text as say

router = APIRouter(include_in_schema=False)

CSP = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
VERSION_MAX = 2**31 - 1
NAME = re.compile(r"[^\x00-\x1f\x7f/]{1,200}")

TENANT = text("SELECT id, name FROM tenants WHERE slug = :slug AND deleted_at IS NULL")
ARTICLE = text(
    """
    SELECT version.version, version.title, version.content, version.content_sha256, version.effective_at,
           source.published_version, source.slug, source.language
    FROM knowledge_sources AS source JOIN knowledge_versions AS version
      ON version.tenant_id = source.tenant_id AND version.source_id = source.id
    WHERE source.tenant_id = :tenant_id AND source.language = :language AND source.slug = :slug
      AND source.visibility = 'public' AND source.audiences = '{}' AND source.deleted_at IS NULL
      AND source.published_version IS NOT NULL
      AND version.version = coalesce(CAST(:version AS int), source.published_version)
      AND version.status IN ('published', 'superseded') AND version.visibility = 'public' AND version.audiences = '{}'
      AND NOT EXISTS (
        SELECT FROM chunks WHERE chunks.tenant_id = source.tenant_id AND chunks.source_id = source.id
          AND chunks.version = version.version AND chunks.visibility <> 'public')
    """
)


@router.api_route(f"{HELP}/{{tenant}}/{{language}}/{{slug}}", methods=["GET", "HEAD"])
async def read_article(
    tenant: str,
    language: str,
    slug: str,
    request: Request,
    services: State,
    version: Annotated[int | None, Query(ge=1, le=VERSION_MAX)] = None,
) -> Response:
    """The published version, or the one that an answer cited."""
    bank, article = await _find(services, tenant, language, slug, version)
    page = _page(tenant, bank, article).encode()
    # It may be withdrawn at any moment: kept by browsers, but asked for each time.
    headers = {"Cache-Control": "no-cache", "ETag": f'"{hashlib.sha256(page).hexdigest()[:32]}"'}
    headers["Content-Security-Policy"] = CSP
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(page, media_type="text/html; charset=utf-8", headers=headers)


async def _find(services: Services, tenant: str, language: str, slug: str, version: int | None) -> tuple[str, Any]:
    """The tenant's name and the article. Raises `not_found`."""
    if not all(NAME.fullmatch(part) for part in (tenant, language, slug)):
        not_found()
    async with services.database.platform() as connection:
        found = (await connection.execute(TENANT, {"slug": tenant})).one_or_none()
    if found is None:
        not_found()
    asked = {"tenant_id": found.id, "language": language, "slug": slug, "version": version}
    async with services.database.tenant(found.id) as connection:
        article = (await connection.execute(ARTICLE, asked)).one_or_none()
    return (found.name, article) if article is not None else not_found()


def _page(tenant: str, bank: str, article: Any) -> str:
    language = article.language
    newest = article.published_version
    notice = ""
    if article.version != newest:
        link = html.escape(help_path(tenant, language, article.slug, newest))
        notice = (
            f'<p class="notice" role="note">{_say("help_replaced", language)} '
            f'<a href="{link}">{_say("help_newest", language)}</a></p>'
        )
    about = _say("help_version", language, version=str(article.version))
    if article.effective_at is not None:
        day = article.effective_at.date().isoformat()
        about += f' · {_say("help_effective", language)} <time datetime="{day}">{day}</time>'
    title = html.escape(article.title)
    return (
        f'<!doctype html><html lang="{html.escape(language)}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta name="robots" content="noindex">'
        f"<title>{title} – {html.escape(bank)}</title>"
        '<link rel="icon" href="/favicon.svg" type="image/svg+xml"><link rel="stylesheet" href="/help.css"></head>'
        f'<body><header><p class="bank">{html.escape(bank)}</p></header>'
        f'<main><article dir="auto"><h1>{title}</h1>{notice}'
        f"{_markdown().render(article.content)}</article></main><footer><p>{about}</p></footer></body></html>"
    )


def _say(key: str, language: str, **values: str) -> str:
    return html.escape(say(key, language, **values))


@lru_cache(maxsize=1)
def _markdown() -> MarkdownIt:
    """What an author may write: no markup of their own, no images, links only to where links may lead."""
    return MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
