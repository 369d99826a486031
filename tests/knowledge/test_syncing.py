"""Pages and sitemaps that are looked at again: only what a reader would see changed makes a version, and it waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from helios.database import Database
from helios.keyring import Keyring
from helios.knowledge import pages
from helios.knowledge.fetching import Seen, fetch_page
from helios.knowledge.readers.refusals import ParsingError
from helios.knowledge.syncing import Syncing, listed_in
from helios.outbound import Outbound
from tests.guards.test_outbound import HOSTS, INTERNAL_V4, PUBLIC, Internet, Names, Site, ok
from tests.neighbour import Neighbour, make_neighbour

HTML = "Content-Type: text/html"
NEWEST = text(
    "SELECT version, title, content, status, step, submitted_by FROM knowledge_versions WHERE tenant_id = :tenant_id "
    "ORDER BY created_at, version"
)
PAGES = text("SELECT url, kind, outcome FROM knowledge_pages WHERE tenant_id = :tenant_id ORDER BY kind DESC, url")
EDITOR = UUID("01900000-0000-7000-8000-0000000000e1")


def page_of(words: str, *headers: str) -> bytes:
    return ok(f"<title>Fees &amp; more</title><p>{words}".encode(), HTML, *headers)


class Bank:
    """A tenant of its own with a site on the internet of the test."""

    def __init__(self, syncing: Syncing, tenant: Neighbour, site: Site) -> None:
        self.syncing, self.tenant_id, self.site = syncing, tenant.tenant_id, site

    async def add(self, kind: str, url: str, **about: Any) -> None:
        async with self.syncing.database.tenant(self.tenant_id) as connection:
            await pages.add(connection, self.tenant_id, kind, url, EDITOR, **about)

    async def sync(self) -> int:
        """All that is due. How many versions came of it."""
        async with self.syncing.database.tenant(self.tenant_id) as connection:
            await connection.execute(text("UPDATE knowledge_pages SET next_check_at = now()"))
        made = 0
        while (synced := await self.syncing.next_page(self.tenant_id)).found:
            made += synced.version is not None
        return made

    async def rows(self, query: Any) -> list[Any]:
        async with self.syncing.database.tenant(self.tenant_id) as connection:
            return list((await connection.execute(query, {"tenant_id": self.tenant_id})).all())


@pytest.fixture
async def bank(database: Database, keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bank]:
    site = Site({})
    server = await asyncio.start_server(site.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    outbound = Outbound(resolve=Names({"www.example": [[PUBLIC]]}), dial=Internet({PUBLIC: port}))

    def detect(content: str) -> str:
        return "de" if "Gebühr" in content else "en"

    tenant = await make_neighbour(database, keyring.root, ())
    yield Bank(Syncing(database, keyring, outbound, detect, timedelta(hours=24)), tenant, site)
    server.close()


async def test_only_what_a_reader_would_see_changed_makes_a_version(bank: Bank) -> None:
    await bank.add("page", "http://www.example/fees")
    bank.site.answers["/fees"] = page_of("A card costs 3 dollars.")
    assert await bank.sync() == 1
    bank.site.answers["/fees"] = page_of("A card costs 3 dollars.<script>token='another'</script>")
    assert await bank.sync() == 0
    assert (await bank.rows(PAGES))[0].outcome == "unchanged"
    bank.site.answers["/fees"] = page_of("A card costs 4 dollars.")
    assert await bank.sync() == 1
    versions = await bank.rows(NEWEST)
    assert [(each.version, each.title, each.status, each.submitted_by) for each in versions] == [
        (1, "Fees & more", "ingesting", EDITOR), (2, "Fees & more", "ingesting", EDITOR),
    ]  # fmt: skip


async def test_a_server_that_knows_is_only_asked(bank: Bank) -> None:
    await bank.add("page", "http://www.example/fees")
    bank.site.answers["/fees"] = page_of("A card costs 3 dollars.", 'ETag: "v1"', "Last-Modified: Mon, 2 Nov 2026")
    assert await bank.sync() == 1
    bank.site.answers["/fees"] = b"HTTP/1.1 304 Not Modified\r\n\r\n"
    assert await bank.sync() == 0
    assert b'If-None-Match: "v1"' in bank.site.heard[-1]
    assert b"If-Modified-Since: Mon, 2 Nov 2026" in bank.site.heard[-1]
    assert await bank.sync() == 0
    assert b'If-None-Match: "v1"' in bank.site.heard[-1]


async def test_a_page_that_is_gone_withdraws_nothing(bank: Bank) -> None:
    await bank.add("page", "http://www.example/fees")
    bank.site.answers["/fees"] = page_of("A card costs 3 dollars.")
    await bank.sync()
    del bank.site.answers["/fees"]
    assert await bank.sync() == 0
    assert (await bank.rows(PAGES))[0].outcome == "unreachable"
    assert (await bank.rows(NEWEST))[0].status == "ingesting"


async def test_each_page_of_the_same_host_becomes_a_source_in_its_own_language(bank: Bank) -> None:
    await bank.add("sitemap", "http://www.example/sitemap.xml", tags=["website"], visibility="internal")
    addresses = ("http://www.example/a", "http://www.example/b#part", "http://other.example/c", "http://127.0.0.1/d")
    listed = "".join(f"<url><loc>{each}</loc></url>" for each in addresses)
    index = "<sitemapindex><sitemap><loc>http://www.example/more.xml</loc></sitemap></sitemapindex>"
    bank.site.answers |= {
        "/sitemap.xml": ok(index.encode(), "Content-Type: application/xml"),
        "/more.xml": ok(f"<urlset>{listed}</urlset>".encode(), "Content-Type: text/xml"),
        "/a": page_of("A card costs 3 dollars."),
        "/b": page_of("Eine Karte hat keine Gebühr."),
    }
    assert await bank.sync() == 2
    assert [(each.kind, each.url[18:]) for each in await bank.rows(PAGES)] == [
        ("sitemap", "/more.xml"), ("sitemap", "/sitemap.xml"), ("page", "/a"), ("page", "/b"),
    ]  # fmt: skip
    sources = await bank.rows(text("SELECT language, visibility, tags FROM knowledge_sources ORDER BY language"))
    assert [tuple(each) for each in sources] == [("de", "internal", ["website"]), ("en", "internal", ["website"])]
    assert await bank.sync() == 0


@pytest.mark.parametrize(
    "body", [b"", b"<urlset", b"<html/>", b"<!DOCTYPE a [<!ENTITY b 'c'>]><urlset>&b;</urlset>", b"\xff\xfe"]
)
def test_what_is_no_sitemap_is_refused(body: bytes) -> None:
    with pytest.raises(ParsingError, match="malformed"):
        listed_in(body, "http://www.example/")


async def test_no_way_to_write_an_internal_address_is_fetched_from() -> None:
    net = Internet(dict.fromkeys(INTERNAL_V4, 1))
    outbound = Outbound(resolve=Names({}), dial=net)
    for host in HOSTS:
        with pytest.raises(ParsingError):
            await fetch_page(outbound, f"http://{host}/{uuid4().hex}", Seen())
    assert net.connected == []


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"HTTP/1.1 302 Go\r\nLocation: http://169.254.169.254/\r\n\r\n", "address_refused"),
        (ok(b"MZ", "Content-Type: application/octet-stream"), "unsupported"),
        (ok(b"%PDF-1.7", HTML), "malformed"),
        (ok(b"x" * 9_000_000, HTML), "too_long"),
        (b"HTTP/1.1 403 No\r\n\r\n", "unreachable"),
    ],
)
async def test_what_is_not_taken_says_why(bank: Bank, answer: bytes, code: str) -> None:
    await bank.add("page", "http://www.example/x")
    bank.site.answers["/x"] = answer
    assert await bank.sync() == 0
    assert (await bank.rows(PAGES))[0].outcome == code
