"""Puts the demo bank into the database: tenant, keys, staff, API key, rules and knowledge. Again changes nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios import audit, staff, tenants
from helios.crypto import RootKey, token_hash
from helios.database import Database
from helios.demo_bank.people import BANK, SETTINGS, STAFF, TENANT, DemoSecrets
from helios.ids import new_id
from helios.knowledge.articles import Article, read_articles
from helios.knowledge.lifecycle import publish
from helios.models.embedder import Embedder
from helios.passwords import hash_password
from helios.settings import Settings
from helios.tenant_keys import read_keys
from schema.ingestion import VersionRef
from schema.tables import (
    ApiKey,
    Chunk,
    KnowledgeSource,
    KnowledgeVersion,
)

KNOWLEDGE = Path(__file__).parent / "knowledge"
Report = Callable[[str], None]

FIND_TENANT = text("SELECT id FROM tenants WHERE slug = :slug")
KNOWN = text(
    """
    SELECT source.id, source.slug, source.language, max(version.version) AS newest,
           array_agg(version.content_sha256) AS contents
    FROM knowledge_sources AS source JOIN knowledge_versions AS version
      ON version.tenant_id = source.tenant_id AND version.source_id = source.id
    WHERE source.tenant_id = :tenant_id GROUP BY source.tenant_id, source.id
    ORDER BY source.deleted_at NULLS LAST
    """
)
SET_PASSWORD = staff.by_index(
    "UPDATE users SET password_hash = :hashed WHERE tenant_id = :tenant_id AND email_index = ANY(:indexes)"
)
SCOPES = ["customer_tokens"]
# Releases before this one left a row for each time that they seeded.
OWN_KEY = text(
    "SELECT id FROM api_keys WHERE tenant_id = :tenant_id AND key_hash = :hashed ORDER BY deleted_at DESC NULLS FIRST "
    "LIMIT 1"
)
# The demo's, of secrets that were thrown away.
REVOKE_OLDER = text(
    "UPDATE api_keys SET deleted_at = now() WHERE tenant_id = :tenant_id AND name = 'demo' AND prefix LIKE 'hk_demo_%' "
    "AND deleted_at IS NULL RETURNING id"
)
INDEX = text(
    "INSERT INTO api_key_index (tenant_id, key_hash, api_key_id) VALUES (:tenant_id, :hashed, :id) "
    "ON CONFLICT DO NOTHING"
)
LOCK = text("SELECT * FROM knowledge_sources WHERE tenant_id = :tenant_id AND id = :id FOR UPDATE")


async def seed(settings: Settings, database: Database, root: RootKey, people: DemoSecrets, report: Report) -> UUID:
    """Returns the demo bank's tenant id."""
    tenant_id = await _tenant(database, root)
    await seed_people(database, root, tenant_id, people)
    await _knowledge(settings, database, tenant_id, report)
    return tenant_id


async def _tenant(database: Database, root: RootKey) -> UUID:
    async with database.platform() as connection:
        found = (await connection.execute(FIND_TENANT, {"slug": TENANT})).scalar_one_or_none()
    if found is not None:
        return UUID(str(found))
    tenant_id = new_id()
    async with database.tenant(tenant_id) as connection:
        await tenants.create(
            connection, root, tenant_id=tenant_id, slug=TENANT, name=BANK, settings=SETTINGS, actor=("system", None)
        )
    return tenant_id


async def seed_people(database: Database, root: RootKey, tenant_id: UUID, people: DemoSecrets) -> None:
    async with database.tenant(tenant_id) as connection:
        keys = await read_keys(connection, root, tenant_id)
        for role, user in people.users.items():
            hashed = await hash_password(user.password)
            added = await staff.add(
                connection, keys, new_id(), email=user.email, display_name=STAFF[role], roles=[role],
                password_hash=hashed,
            )  # fmt: skip
            if not added:
                known = {"tenant_id": tenant_id, "hashed": hashed, "indexes": staff.indexes(keys, user.email)}
                await connection.execute(SET_PASSWORD, known)
        await _api_key(connection, tenant_id, people.api_key)
        await _audit(connection, tenant_id, "demo.people_seeded", ("tenant", tenant_id))


async def _api_key(connection: AsyncConnection, tenant_id: UUID, api_key: str) -> None:
    """The demo's own key and no other: the bank may have made some since. One that was revoked stays it."""
    hashed = token_hash(api_key)
    key_id = (await connection.execute(OWN_KEY, {"tenant_id": tenant_id, "hashed": hashed})).scalar_one_or_none()
    if key_id is None:
        for older in list(await connection.scalars(REVOKE_OLDER, {"tenant_id": tenant_id})):
            await _audit(connection, tenant_id, "api_key.revoked", ("api_key", older))
        key_id = new_id()
        await connection.execute(
            insert(ApiKey).values(
                tenant_id=tenant_id, id=key_id, name="demo", prefix=api_key[:12], key_hash=hashed, scopes=SCOPES
            )
        )
        await _audit(connection, tenant_id, "api_key.created", ("api_key", key_id), scopes=SCOPES)
    await connection.execute(INDEX, {"tenant_id": tenant_id, "hashed": hashed, "id": key_id})


async def _knowledge(settings: Settings, database: Database, tenant_id: UUID, report: Report) -> None:
    articles = read_articles(KNOWLEDGE)
    async with database.tenant(tenant_id) as connection:
        rows = await connection.execute(KNOWN, {"tenant_id": tenant_id})
        known = {(row.slug, row.language): row for row in rows}
    # What was there once stays what the bank's own people made of it: superseded, withdrawn or deleted.
    changed = [
        each for each in articles if _hash(each) not in getattr(known.get((each.slug, each.language)), "contents", ())
    ]
    if not changed:
        return
    from helios.knowledge.embedding import embed_article

    encoder = Embedder.load(settings)
    for done, article in enumerate(changed, 1):
        embedded = embed_article(encoder, article, settings.model_dir)
        async with database.tenant(tenant_id) as connection:
            await _publish(
                connection, tenant_id, article, known.get((article.slug, article.language)), embedded, encoder.name
            )
        if done % 20 == 0 or done == len(changed):
            report(f"knowledge: {done} of {len(changed)} articles")


async def _publish(
    connection: AsyncConnection, tenant_id: UUID, article: Article, known: Any, embedded: Sequence[Any], encoder: str
) -> None:
    source_id = known.id if known is not None else new_id()
    version = known.newest + 1 if known is not None else 1
    if known is None:
        await connection.execute(
            insert(KnowledgeSource).values(
                tenant_id=tenant_id, id=source_id, slug=article.slug, language=article.language, title=article.title,
                visibility=article.visibility, category=article.category, tags=list(article.tags), url=article.url,
            )
        )  # fmt: skip
    await connection.execute(
        insert(KnowledgeVersion).values(
            tenant_id=tenant_id, source_id=source_id, version=version, status="pending_review", title=article.title,
            content=article.body, content_sha256=_hash(article), visibility=article.visibility,
            category=article.category, tags=list(article.tags), url=article.url, chunks_total=len(embedded),
            chunks_done=len(embedded), effective_at=datetime.combine(article.effective, time(), UTC),
        )
    )  # fmt: skip
    await connection.execute(
        insert(Chunk),
        [
            {
                "tenant_id": tenant_id, "id": new_id(), "source_id": source_id, "version": version,
                "position": chunk.position, "language": article.language, "visibility": article.visibility,
                "heading": f"{article.title}. {chunk.heading}", "text": chunk.text, "sentences": list(chunk.sentences),
                "sentence_vectors": np.asarray(chunk.sentence_vectors, dtype=np.float16).tobytes(),
                "embedding": chunk.vector.tolist(), "embedder": encoder,
            }
            for chunk in embedded
        ],
    )  # fmt: skip
    source = (await connection.execute(LOCK, {"tenant_id": tenant_id, "id": source_id})).one()
    await publish(connection, VersionRef(tenant_id, source_id, version), source, ("system", None))


def _hash(article: Article) -> str:
    parts = (article.title, article.visibility, article.language, article.body)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


async def _audit(
    connection: AsyncConnection, tenant_id: UUID, action: str, subject: tuple[str, UUID], **detail: Any
) -> None:
    await audit.record(connection, tenant_id, action, actor=("system", None), subject=subject, detail=detail)
