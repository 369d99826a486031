"""A version that was handed in as an address: what stands there becomes its original."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.resources import Resources
from helios.knowledge import pages
from helios.knowledge.fetching import Seen, fetch_page
from helios.knowledge.readers.refusals import ParsingError
from helios.knowledge.submission import LANGUAGE_SAMPLE, ORIGINAL
from helios.models.language import LanguageIdentifier
from schema.ingestion import VersionRef

# Without a title of its own a version has its address for one, until the page says how it is called.
FETCHED = text(
    """
    UPDATE knowledge_versions SET original_ct = :original_ct, media_type = :media_type, content_sha256 = :sha256,
        step = 'parsing', title = CASE WHEN title = left(url, 200) THEN coalesce(:title, title) ELSE title END,
        updated_at = now()
    WHERE tenant_id = :tenant_id AND source_id = :source_id AND version = :version AND status = 'ingesting'
    """
)
# Only while nothing of the source was ever published, and unless another one has that name in that language.
SPOKEN = text(
    """
    UPDATE knowledge_sources AS source SET language = :language
    WHERE source.tenant_id = :tenant_id AND source.id = :source_id AND source.published_version IS NULL
      AND EXISTS (SELECT FROM knowledge_pages AS page WHERE page.tenant_id = :tenant_id
                    AND page.source_id = source.id AND page.language IS NULL)
      AND NOT EXISTS (SELECT FROM knowledge_sources AS other WHERE other.tenant_id = :tenant_id
                        AND other.slug = source.slug AND other.language = :language AND other.deleted_at IS NULL)
    """
)


SAID = text(
    "UPDATE knowledge_pages SET content_sha256 = :sha256 WHERE tenant_id = :tenant_id AND source_id = :source_id "
    "AND kind = 'page' AND content_sha256 IS NULL"
)


async def fetch_version(resources: Resources, ref: VersionRef, url: str) -> None:
    """Raises `ParsingError` with why there is nothing."""
    fetched = await fetch_page(resources.outbound, url, Seen())
    if fetched is None:
        raise ParsingError("unreachable")  # "not modified", to somebody who had asked for all of it
    keys = await resources.keyring.tenant(ref.tenant_id)
    async with resources.database.tenant(ref.tenant_id) as connection:
        await connection.execute(
            FETCHED,
            {"original_ct": keys.seal(fetched.body, ORIGINAL, (ref.source_id, ref.version)),
             "media_type": fetched.media_type, "title": fetched.title,
             "sha256": hashlib.sha256(fetched.body).hexdigest(),
             "tenant_id": ref.tenant_id, "source_id": ref.source_id, "version": ref.version},
        )  # fmt: skip
        page = await pages.page_of_source(connection, ref.tenant_id, ref.source_id)
        if page is not None:
            period = timedelta(hours=resources.settings.knowledge_sync_hours)
            await pages.note(connection, page, "changed", period, seen=fetched.seen)


async def note_content(
    connection: AsyncConnection, ref: VersionRef, languages: LanguageIdentifier, content: str
) -> None:
    """What is known once a page was read: its language, where nobody named it, and what to compare with next time."""
    language = languages.detect(content[:LANGUAGE_SAMPLE]).code
    where = {"tenant_id": ref.tenant_id, "source_id": ref.source_id}
    await connection.execute(SPOKEN, {**where, "language": language})
    await connection.execute(SAID, {**where, "sha256": hashlib.sha256(content.encode()).hexdigest()})
