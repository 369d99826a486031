"""Knowledge to measure with: chunks whose vectors and words are resampled around those of the demo bank's articles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import numpy as np
from pgvector.asyncpg import register_vector

from helios.ids import new_id
from helios.knowledge.articles import read_articles
from helios.knowledge.embedding import EmbeddedChunk, embed_article
from helios.models.embedder import Embedder, Vectors
from helios.settings import PROJECT, settings

ARTICLES = PROJECT / "helios" / "demo_bank" / "knowledge"
OF_A_SOURCE = 20
"""Chunks of one source."""
NOISE = 0.5
"""Length of what is added in a random direction to the mean of two real vectors, of unit length each."""
AT_ONCE = 5_000
COLUMNS = ("tenant_id", "id", "source_id", "version", "position", "language", "visibility", "heading", "text",
           "sentences", "sentence_vectors", "embedding", "embedder")  # fmt: skip
INDEX = "ix_chunks_embedding"


@dataclass(frozen=True, slots=True, eq=False)
class Real:
    """English public chunks of the demo bank, with their vectors as rows."""

    chunks: Sequence[EmbeddedChunk]
    vectors: Vectors


def read_real(encoder: Embedder) -> Real:
    articles = [each for each in read_articles(ARTICLES) if each.visibility == "public" and each.language == "en"]
    chunks = [chunk for each in articles for chunk in embed_article(encoder, each, settings().model_dir)]
    return Real(chunks, np.stack([chunk.vector for chunk in chunks]))


def resample(real: Real, count: int, chance: np.random.Generator) -> tuple[Vectors, np.ndarray]:
    """(count, 384) of unit length, and of each the number of the real chunk that it is nearest to by making."""
    first = chance.integers(len(real.vectors), size=count)
    second = chance.integers(len(real.vectors), size=count)
    share = chance.uniform(0.0, 0.5, size=(count, 1))
    noise = chance.normal(size=(count, real.vectors.shape[1]))
    noise *= NOISE / np.linalg.norm(noise, axis=1, keepdims=True)
    mixed = (1 - share) * real.vectors[first] + share * real.vectors[second] + noise
    return (mixed / np.linalg.norm(mixed, axis=1, keepdims=True)).astype(np.float32), first


async def make_tenants(connection: asyncpg.Connection, count: int) -> list[UUID]:
    made = [new_id() for _ in range(count)]
    rows = [(each, f"bench-{number}-{each.hex[-8:]}", f"Bench {number}") for number, each in enumerate(made)]
    await connection.executemany("INSERT INTO tenants (id, slug, name) VALUES ($1, $2, $3)", rows)
    return made


async def fill(
    connection: asyncpg.Connection, tenants: Sequence[UUID], each: int, real: Real, chance: np.random.Generator
) -> None:
    """`each` more chunks for each of the tenants, published and public."""
    await register_vector(connection)
    waiting: list[tuple[Any, ...]] = []
    for tenant_id in tenants:
        for begin in range(0, each, AT_ONCE):
            count = min(AT_ONCE, each - begin)
            waiting += _rows(tenant_id, await _sources(connection, tenant_id, count), count, real, chance)
            if len(waiting) >= AT_ONCE:
                await connection.copy_records_to_table("chunks", records=waiting, columns=COLUMNS)
                waiting = []
    if waiting:
        await connection.copy_records_to_table("chunks", records=waiting, columns=COLUMNS)


async def _sources(connection: asyncpg.Connection, tenant_id: UUID, chunks: int) -> list[UUID]:
    made = [new_id() for _ in range(-(-chunks // OF_A_SOURCE))]
    await connection.executemany(
        "INSERT INTO knowledge_sources (tenant_id, id, slug, language, title, visibility, published_version) "
        "VALUES ($1, $2, $3, 'en', 'Measured', 'public', 1)",
        [(tenant_id, each, each.hex) for each in made],
    )
    await connection.executemany(
        "INSERT INTO knowledge_versions (tenant_id, source_id, version, status, title, content, content_sha256) "
        "VALUES ($1, $2, 1, 'published', 'Measured', '', $3)",
        [(tenant_id, each, each.hex) for each in made],
    )
    return made


def _rows(
    tenant_id: UUID, sources: Sequence[UUID], count: int, real: Real, chance: np.random.Generator
) -> Iterator[tuple[Any, ...]]:
    vectors, owners = resample(real, count, chance)
    for number in range(count):
        chunk = real.chunks[owners[number]]
        sentences = np.asarray(chunk.sentence_vectors, dtype=np.float16).tobytes()
        yield (tenant_id, new_id(), sources[number // OF_A_SOURCE], 1, number % OF_A_SOURCE, "en", "public",
               chunk.heading, chunk.text, list(chunk.sentences), sentences, vectors[number], "resampled")  # fmt: skip


async def without_index(connection: asyncpg.Connection) -> str:
    """Takes the index of vectors away, so that rows come in at the table's own pace. How to make it again."""
    definition: str = await connection.fetchval("SELECT pg_get_indexdef($1::regclass)", INDEX)
    await connection.execute(f"DROP INDEX {INDEX}")
    return definition


async def with_index(connection: asyncpg.Connection, definition: str) -> None:
    await connection.execute("SET maintenance_work_mem = '512MB'")
    await connection.execute(definition)
    await connection.execute("ANALYZE")
