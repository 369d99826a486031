"""Retrieval: the passages that an answer may rest on. Who may see a passage is decided before how near it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios.knowledge.addresses import help_path
from helios.knowledge.ranking import rank_passages
from helios.llm.base import Passage
from schema.steps import ScoredPassage

PASSAGES = 8
NEAREST = 20
WORDED = 10

COLUMNS = """chunks.id, chunks.source_id, chunks.version, source.title, chunks.text, source.language, source.slug,
           chunks.sentences, chunks.sentence_vectors, (SELECT slug FROM tenants WHERE id = :tenant_id) AS tenant"""
CANDIDATES = text(
    f"""
    WITH spoken AS (
        SELECT CASE WHEN EXISTS (
            SELECT FROM knowledge_sources
            WHERE tenant_id = :tenant_id AND language = CAST(:language AS text) AND published_version IS NOT NULL
        ) THEN CAST(:language AS text) ELSE 'en' END AS language
    ), visible AS (
        SELECT {COLUMNS}, chunks.embedding, chunks.words FROM chunks JOIN knowledge_sources AS source
          ON source.tenant_id = chunks.tenant_id AND source.id = chunks.source_id
        WHERE chunks.tenant_id = :tenant_id AND chunks.visibility = ANY(:visibilities)
          AND source.visibility = ANY(:visibilities) AND chunks.language = (SELECT language FROM spoken)
          AND source.published_version = chunks.version AND source.deleted_at IS NULL
    ), near AS (
        SELECT id FROM visible ORDER BY embedding <=> CAST(:vector AS vector) LIMIT :nearest
    ), worded AS (
        SELECT id FROM visible, to_tsquery('simple', :words) AS query WHERE words @@ query
        ORDER BY ts_rank_cd(words, query) DESC, id LIMIT :worded
    )
    SELECT visible.*, 1 - (embedding <=> CAST(:vector AS vector)) AS similarity
    FROM visible WHERE id IN (SELECT id FROM near UNION SELECT id FROM worded) ORDER BY similarity DESC, id
    """  # noqa: S608 - a constant of ours
)
LOAD = text(
    f"""
    SELECT {COLUMNS} FROM chunks JOIN knowledge_sources AS source
      ON source.tenant_id = chunks.tenant_id AND source.id = chunks.source_id
    WHERE chunks.tenant_id = :tenant_id AND chunks.id = ANY(:ids)
    """  # noqa: S608 - a constant of ours
)


async def search(
    connection: AsyncConnection,
    tenant_id: UUID,
    query: str,
    vector: np.ndarray,
    language: str,
    *,
    visibilities: Sequence[str] = ("public",),
    most: int = PASSAGES,
) -> list[ScoredPassage]:
    """Passages by meaning and words, best first; each with its cosine similarity to the query.

    In the customer's `language` where there is knowledge in it, else in English.
    """
    rows = await connection.execute(
        CANDIDATES,
        {
            "tenant_id": tenant_id,
            "visibilities": list(visibilities),
            "language": language,
            "vector": str(vector.tolist()),
            "words": any_of_the_words(query),
            "nearest": NEAREST,
            "worded": WORDED,
        },
    )
    candidates = [_passage(row, float(row.similarity)) for row in rows]
    ranked = rank_passages(candidates, query, vector, candidates[0].language if candidates else language, most)
    return [ScoredPassage(passage.chunk_id, round(passage.score, 4)) for passage in ranked]


async def load_passages(
    connection: AsyncConnection, tenant_id: UUID, scored: Sequence[ScoredPassage]
) -> tuple[Passage, ...]:
    """The passages themselves, in the same order."""
    rows = await connection.execute(LOAD, {"tenant_id": tenant_id, "ids": [each.chunk_id for each in scored]})
    by_id = {row.id: row for row in rows}
    return tuple(_passage(by_id[each.chunk_id], each.score) for each in scored if each.chunk_id in by_id)


def any_of_the_words(query: str) -> str:
    """A full-text query that any longer word of the text satisfies; ranking favours those with more of them."""
    words = {"".join(filter(str.isalnum, word)).lower() for word in query.split()}
    return " | ".join(sorted(word for word in words if len(word) > 2)) or "-"


def _passage(row: Any, score: float) -> Passage:
    vectors = np.frombuffer(row.sentence_vectors, dtype=np.float16).astype(np.float32)
    return Passage(
        chunk_id=row.id,
        source_id=row.source_id,
        version=row.version,
        title=row.title,
        text=row.text,
        language=row.language,
        score=score,
        url=help_path(row.tenant, row.language, row.slug, row.version),
        sentences=tuple(row.sentences),
        sentence_vectors=vectors.reshape(len(row.sentences), -1),
    )
