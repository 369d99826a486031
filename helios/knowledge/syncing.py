"""Looks at registered pages again: what is unchanged makes no version, what has changed waits for an approval."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID
from xml.etree.ElementTree import ParseError

from sqlalchemy import text

from helios import audit
from helios.database import Database
from helios.ids import new_id
from helios.keyring import Keyring
from helios.knowledge import pages
from helios.knowledge.fetching import Fetched, Seen, fetch_page, fetch_sitemap
from helios.knowledge.parsing_process import parse_apart
from helios.knowledge.readers.refusals import ParsingError
from helios.knowledge.submission import LANGUAGE_SAMPLE, Submission, submit
from helios.outbound import URL_MAX, Outbound
from schema.ingestion import Synced

LISTED_MAX = 5_000
"""Addresses that are taken from one sitemap."""

NEWEST = text(
    """
    SELECT version.title, source.language, source.visibility, source.category, source.tags,
           source.audiences
    FROM knowledge_versions AS version JOIN knowledge_sources AS source
      ON source.tenant_id = version.tenant_id AND source.id = version.source_id
    WHERE version.tenant_id = :tenant_id AND version.source_id = :source_id ORDER BY version.version DESC LIMIT 1
    """
)


@dataclass(frozen=True, slots=True)
class Syncing:
    """What it takes. `detect` names the language of a text; `period` is the time until a page is looked at again."""

    database: Database
    keyring: Keyring
    outbound: Outbound
    detect: Callable[[str], str]
    period: timedelta

    async def next_page(self, tenant_id: UUID) -> Synced:
        """Looks at what has waited longest, if anything is due."""
        async with self.database.tenant(tenant_id) as connection:
            page = await pages.claim(connection, tenant_id)
        if page is None:
            return Synced(False)
        try:
            return await (self._sitemap(page) if page.kind == "sitemap" else self._page(page))
        except ParsingError as error:
            return await self._noted(page, error.code)

    async def _page(self, page: Any) -> Synced:
        fetched = await fetch_page(self.outbound, page.url, Seen(page.etag, page.last_modified))
        if fetched is None:
            return await self._noted(page, "unchanged")
        content = await parse_apart(fetched.body, fetched.media_type)
        content_sha256 = hashlib.sha256(content.encode()).hexdigest()
        # Bytes are another each time where a page holds tokens and times. Its reader sees the text.
        if content_sha256 == page.content_sha256:
            return await self._noted(page, "unchanged", fetched.seen)
        keys = await self.keyring.tenant(page.tenant_id)
        async with self.database.tenant(page.tenant_id) as connection:
            where = {"tenant_id": page.tenant_id, "source_id": page.source_id}
            before = (await connection.execute(NEWEST, where)).one_or_none()
            made = self._submission(page, fetched, before, content)
            ref, is_new = await submit(connection, keys, made, new_id())
            await pages.note(
                connection, page, "changed", self.period, seen=fetched.seen, content_sha256=content_sha256,
                source_id=ref.source_id,
            )  # fmt: skip
        return Synced(True, ref if is_new else None)

    async def _sitemap(self, page: Any) -> Synced:
        fetched = await fetch_sitemap(self.outbound, page.url, Seen(page.etag, page.last_modified))
        if fetched is None:
            return await self._noted(page, "unchanged")
        listed = list(listed_in(fetched.body, page.url))
        async with self.database.tenant(page.tenant_id) as connection:
            added = await pages.add_listed(connection, page, listed)
            if added:
                await audit.record(
                    connection, page.tenant_id, "knowledge.pages_listed", actor=("system", None),
                    subject=("knowledge_sitemap", page.id), detail={"new": added},
                )  # fmt: skip
        return await self._noted(page, "changed" if added else "unchanged", fetched.seen)

    async def _noted(self, page: Any, outcome: str, seen: Seen | None = None) -> Synced:
        async with self.database.tenant(page.tenant_id) as connection:
            await pages.note(connection, page, outcome, self.period, seen=seen)
        return Synced(True)

    def _submission(self, page: Any, fetched: Fetched, before: Any, content: str) -> Submission:
        """As the source is; a page that has none yet is as its sitemap says."""
        about = before if before is not None else page
        title = fetched.title or (before.title if before is not None else page.url[:200])
        return Submission(
            title=title, original=fetched.body, media_type=fetched.media_type,
            language=about.language or self.detect(content[:LANGUAGE_SAMPLE]), visibility=about.visibility,
            submitted_by=page.registered_by, source_id=page.source_id, category=about.category,
            tags=tuple(about.tags), url=page.url,
            audiences=tuple(before.audiences) if before is not None else (),
        )  # fmt: skip


def listed_in(body: bytes, url: str) -> Iterator[tuple[str, str]]:
    """What a sitemap lists of its own host, as (`page` or `sitemap`, address). Raises `ParsingError`.

    Addresses of other hosts do not belong into it (sitemaps.org, "Sitemap file location").
    """
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root = fromstring(body)
    except (ParseError, DefusedXmlException, ValueError):
        raise ParsingError("malformed") from None
    kinds = {"urlset": "page", "sitemapindex": "sitemap"}
    kind = kinds.get(root.tag.rpartition("}")[2])
    if kind is None:
        raise ParsingError("malformed")
    found: dict[str, None] = {}
    for entry in root:
        place = next((each for each in entry if each.tag.rpartition("}")[2] == "loc"), None)
        address = (place.text or "").strip() if place is not None else ""
        if len(address) <= URL_MAX and _same_host(address, url):
            found[address.partition("#")[0]] = None
        if len(found) == LISTED_MAX:
            break
    return ((kind, address) for address in found)


def _same_host(address: str, url: str) -> bool:
    try:
        return urlsplit(address).scheme in ("http", "https") and urlsplit(address).netloc == urlsplit(url).netloc
    except ValueError:
        return False
