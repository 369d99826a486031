"""An answer's citation opens what it cites; what is not published to everybody does not exist."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import insert, text

from helios.database import Database
from helios.ids import new_id
from helios.knowledge.addresses import help_path
from schema.tables import KnowledgeSource, KnowledgeVersion
from tests.caller import Api
from tests.neighbour import Neighbour

CONTENT = """Fees are <b onclick="alert(1)">low</b>. [Click](javascript:alert(1)) or [call](https://bank.example/a?b&c).

![tracker](https://evil.example/pixel.png)

## Abroad
<script>alert(1)</script>
"""


async def make_article(
    database: Database, tenant_id: UUID, statuses: tuple[str, ...], *, visibility: str = "public", published: int = 1
) -> str:
    """An article with one version for each status. Returns its slug."""
    source_id = new_id()
    slug = f"article-{source_id}"
    async with database.tenant(tenant_id) as connection:
        await connection.execute(
            insert(KnowledgeSource).values(
                tenant_id=tenant_id, id=source_id, slug=slug, language="en", title="Fees & <charges>",
                visibility=visibility, published_version=published or None,
            )
        )  # fmt: skip
        for number, status in enumerate(statuses, 1):
            await connection.execute(
                insert(KnowledgeVersion).values(
                    tenant_id=tenant_id, source_id=source_id, version=number, status=status, title="Fees & <charges>",
                    content=f"{CONTENT}\nWords of version {number}.", content_sha256=str(number),
                )
            )  # fmt: skip
    return slug


async def status_of(api: Api, path: str) -> int:
    answer = await api.http.get(path)
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code


async def test_an_answers_citation_opens_what_it_cites(api: Api) -> None:
    customer = await (await api.customer()).open()
    reply = (await customer.say("What does it cost to send money abroad?")).json()["reply"]
    cited = reply["citations"][0]
    page = await api.http.get(cited["url"])
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert '<html lang="en">' in page.text
    assert f"<h1>{cited['title']}</h1>" in page.text
    assert cited["quote"].split(".")[0] in page.text
    assert f"Version {cited['version']}" in page.text


@pytest.mark.parametrize(("language", "words"), [("de", "gültig ab"), ("es", "válido desde")])
async def test_a_page_is_in_the_articles_language(api: Api, language: str, words: str) -> None:
    page = await api.http.get(f"/help/meridian/{language}/atm-fees")
    assert f'<html lang="{language}">' in page.text
    assert words in page.text


async def test_nothing_in_an_article_becomes_markup_of_its_own(
    api: Api, database: Database, neighbour: Neighbour
) -> None:
    slug = await make_article(database, neighbour.tenant_id, ("published",))
    page = await api.http.get(f"/help/{neighbour.slug}/en/{slug}")
    assert "<h1>Fees &amp; &lt;charges&gt;</h1>" in page.text
    for forbidden in ("<script", "<b ", "<img", 'href="javascript'):
        assert forbidden not in page.text
    assert '<a href="https://bank.example/a?b&amp;c">call</a>' in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


async def test_the_cited_version_stays_readable_and_names_the_newest(
    api: Api, database: Database, neighbour: Neighbour
) -> None:
    slug = await make_article(database, neighbour.tenant_id, ("superseded", "published"), published=2)
    old = await api.http.get(help_path(neighbour.slug, "en", slug, 1))
    newest = await api.http.get(f"/help/{neighbour.slug}/en/{slug}")
    assert "Words of version 1" in old.text
    assert f'<a href="{help_path(neighbour.slug, "en", slug, 2)}">' in old.text
    assert "Words of version 2" in newest.text
    assert 'class="notice"' not in newest.text


async def test_a_page_is_asked_for_again_and_not_sent_again(api: Api) -> None:
    page = await api.http.get("/help/meridian/en/atm-fees")
    again = await api.http.get("/help/meridian/en/atm-fees", headers={"If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert page.headers["cache-control"] == "no-cache"
    assert (await api.http.head("/help/meridian/en/atm-fees")).status_code == 200


@pytest.mark.parametrize("status", ["ingesting", "failed", "pending_review", "withdrawn"])
async def test_a_version_that_is_not_published_does_not_exist(
    api: Api, database: Database, neighbour: Neighbour, status: str
) -> None:
    slug = await make_article(database, neighbour.tenant_id, ("published", status))
    assert await status_of(api, help_path(neighbour.slug, "en", slug, 1)) == 200
    assert await status_of(api, help_path(neighbour.slug, "en", slug, 2)) == 404
    never = await make_article(database, neighbour.tenant_id, (status,), published=0)
    assert await status_of(api, help_path(neighbour.slug, "en", never, 1)) == 404


async def test_an_internal_article_does_not_exist(api: Api, database: Database, neighbour: Neighbour) -> None:
    slug = await make_article(database, neighbour.tenant_id, ("published",), visibility="internal")
    assert await status_of(api, f"/help/{neighbour.slug}/en/{slug}") == 404


async def test_a_version_that_was_internal_stays_so_when_the_article_is_made_public(
    api: Api, database: Database, tenant_id: UUID
) -> None:
    async with database.tenant(tenant_id) as connection:
        internal = (
            await connection.execute(
                text("SELECT id, slug FROM knowledge_sources WHERE visibility = 'internal' AND language = 'en' LIMIT 1")
            )
        ).one()
        published = {"id": internal.id, "visibility": "public"}
        change = text("UPDATE knowledge_sources SET visibility = :visibility WHERE id = :id")
        await connection.execute(change, published)
    try:
        assert await status_of(api, f"/help/meridian/en/{internal.slug}") == 404
    finally:
        async with database.tenant(tenant_id) as connection:
            await connection.execute(change, {**published, "visibility": "internal"})


async def test_a_deleted_article_does_not_exist(api: Api, database: Database, neighbour: Neighbour) -> None:
    slug = await make_article(database, neighbour.tenant_id, ("published",))
    async with database.tenant(neighbour.tenant_id) as connection:
        await connection.execute(
            text("UPDATE knowledge_sources SET deleted_at = now() WHERE slug = :slug"), {"slug": slug}
        )
    assert await status_of(api, f"/help/{neighbour.slug}/en/{slug}") == 404


async def test_another_banks_article_is_not_under_this_banks_name(
    api: Api, database: Database, neighbour: Neighbour
) -> None:
    slug = await make_article(database, neighbour.tenant_id, ("published",))
    assert await status_of(api, f"/help/meridian/en/{slug}") == 404
    assert await status_of(api, f"/help/nobody/en/{slug}") == 404


@pytest.mark.parametrize(
    "path",
    ["meridian/en/%00", "%00/en/x", "meridian/%ff/x", "meridian/en/" + "a" * 5000, "meridian/en/..%2fx", "a/b/%0d%0aX"],
)
async def test_a_bad_path_is_not_found(api: Api, path: str) -> None:
    assert await status_of(api, f"/help/{path}") == 404


@pytest.mark.parametrize("version", ["0", "-1", "x", "9" * 30, "1.5", "%00"])
async def test_a_bad_version_is_bad_input(api: Api, version: str) -> None:
    assert await status_of(api, f"/help/meridian/en/atm-fees?version={version}") in (400, 422)
