"""Retrieval: the passages that an answer may rest on. Who may see a passage is decided before how near it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios.llm.base import Passage
from schema.steps import ScoredPassage

PASSAGES = 5
CANDIDATES = 20
# Reciprocal rank fusion (Cormack, Clarke, Büttcher, SIGIR 2009): their constant.
RRF_K = 60

SEARCH = text(
    """
    WITH visible AS (
        SELECT chunks.* FROM chunks JOIN knowledge_sources AS source
          ON source.tenant_id = chunks.tenant_id AND source.id = chunks.source_id
        WHERE chunks.tenant_id = :tenant_id AND chunks.visibility = ANY(:visibilities)
          AND source.visibility = ANY(:visibilities) AND chunks.language = :language
          AND source.published_version = chunks.version AND source.deleted_at IS NULL
    ), near AS (
        SELECT id, row_number() OVER (ORDER BY embedding <=> CAST(:vector AS vector)) AS rank
        FROM visible ORDER BY embedding <=> CAST(:vector AS vector) LIMIT :candidates
    ), worded AS (
        SELECT id, row_number() OVER (ORDER BY ts_rank_cd(words, query) DESC, id) AS rank
        FROM visible, to_tsquery('simple', :words) AS query WHERE words @@ query
        ORDER BY ts_rank_cd(words, query) DESC, id LIMIT :candidates
    ), fused AS (
        SELECT id, sum(1.0 / (:rrf_k + rank)) AS score FROM (SELECT * FROM near UNION ALL SELECT * FROM worded) AS ranked
        GROUP BY id ORDER BY score DESC, id LIMIT :passages
    )
    SELECT visible.id, 1 - (visible.embedding <=> CAST(:vector AS vector)) AS similarity
    FROM fused JOIN visible USING (id) ORDER BY fused.score DESC, visible.id
    """
)
LOAD = text(
    """
    SELECT chunks.id, chunks.source_id, chunks.version, source.title, chunks.text, chunks.language, source.url,
           chunks.sentences, chunks.sentence_vectors
    FROM chunks JOIN knowledge_sources AS source
      ON source.tenant_id = chunks.tenant_id AND source.id = chunks.source_id
    WHERE chunks.tenant_id = :tenant_id AND chunks.id = ANY(:ids)
    """
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
    """Passages by fused rank of meaning and words, best first; each with its cosine similarity to the query."""
    rows = await connection.execute(
        SEARCH,
        {
            "tenant_id": tenant_id,
            "visibilities": list(visibilities),
            "language": language,
            "vector": str(vector.tolist()),
            "words": any_of_the_words(query),
            "candidates": CANDIDATES,
            "rrf_k": RRF_K,
            "passages": most,
        },
    )
    return [ScoredPassage(row.id, round(float(row.similarity), 4)) for row in rows]


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
        url=row.url,
        sentences=tuple(row.sentences),
        sentence_vectors=vectors.reshape(len(row.sentences), -1),
    )
