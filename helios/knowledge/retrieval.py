"""Retrieval: the passages that an answer may rest on. Who may see a passage is decided before how near it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios.knowledge.addresses import help_path
from helios.knowledge.ranking import rank_passages
from helios.knowledge.shared_words import TOGETHER, any_word, word_steps
from helios.llm.base import Passage
from schema.steps import ScoredPassage

CUSTOMERS = ("public",)
"""What customers may see: no answer to one rests on anything else."""
PASSAGES = 10
NEAREST = 30
WORDED = 10
HOLDING = 200
"""Chunks with words of the question that are ranked; where more hold some, those with more of them come first."""

COLUMNS = """chunks.id, chunks.source_id, chunks.version, version.title, chunks.text, source.language, source.slug,
           chunks.sentences, chunks.sentence_vectors, chunks.position, version.audiences,
           (SELECT slug FROM tenants WHERE id = :tenant_id) AS tenant"""
OF_A_VERSION = """chunks JOIN knowledge_sources AS source
          ON source.tenant_id = chunks.tenant_id AND source.id = chunks.source_id
        JOIN knowledge_versions AS version ON version.tenant_id = chunks.tenant_id
          AND version.source_id = chunks.source_id AND version.version = chunks.version"""
IN_FORCE = """source.published_version = version.version AND source.deleted_at IS NULL AND version.status = 'published'
          AND (version.effective_at IS NULL OR version.effective_at <= now())
          AND (version.expires_at IS NULL OR version.expires_at > now())"""
"""What an answer may rest on at this moment, of `source` and `version`."""
WAS_IN_FORCE = """source.deleted_at IS NULL
          AND (version.effective_at IS NULL OR version.effective_at <= CAST(:as_of AS timestamptz))
          AND (version.expires_at IS NULL OR version.expires_at > CAST(:as_of AS timestamptz))
          AND EXISTS (
            SELECT FROM publications AS span WHERE span.tenant_id = version.tenant_id
              AND span.source_id = version.source_id AND span.version = version.version
              AND span.published_at <= CAST(:as_of AS timestamptz)
              AND (span.ended_at IS NULL OR span.ended_at > CAST(:as_of AS timestamptz)))"""
"""The same for a moment in the past, also of what was withdrawn since."""
VISIBLE = "version.visibility = ANY(:visibilities)"
FOR_THEM = """(CAST(:audiences AS text[]) IS NULL OR version.audiences = '{}'
          OR version.audiences && CAST(:audiences AS text[]))"""
"""Whom it is for. NULL asks for all of it, as staff may."""
VISIBLE_NOW = f"{VISIBLE} AND source.visibility = ANY(:visibilities)"
FILTERS = """(CAST(:source_ids AS uuid[]) IS NULL OR source.id = ANY(:source_ids))
          AND (CAST(:tags AS text[]) IS NULL OR version.tags && CAST(:tags AS text[]))
          AND (CAST(:category AS text) IS NULL OR version.category = :category)
          AND (CAST(:changed_since AS timestamptz) IS NULL
               OR coalesce(version.effective_at, version.reviewed_at, version.created_at) >= :changed_since)"""


def _candidates(conditions: str) -> TextClause:
    """Ids first, from narrow rows; the wide ones (texts, sentences, their vectors) are read of those few only.

    Whether this caller may see a chunk is asked chunk by chunk, along an index of vectors or of words, until there are
    enough: OFFSET 0 keeps the planner from making a join of it, which would read all of the tenant's chunks.
    """
    may_see = f"""chunks.tenant_id = :tenant_id AND chunks.language = (SELECT language FROM spoken)
          AND chunks.visibility = ANY(:visibilities) AND EXISTS (
            SELECT FROM knowledge_sources AS source JOIN knowledge_versions AS version
              ON version.tenant_id = source.tenant_id AND version.source_id = source.id
            WHERE source.tenant_id = chunks.tenant_id AND source.id = chunks.source_id
              AND version.version = chunks.version AND {conditions} OFFSET 0)"""  # noqa: S608 - a constant of ours
    # Each step stops at its limit, and none is taken once there are enough.
    steps = " UNION ALL ".join(
        f"""(SELECT chunks.id, chunks.words FROM chunks
            WHERE chunks.words @@ to_tsquery('simple', :step_{number}) AND {may_see} LIMIT :holding)"""  # noqa: S608
        for number in range(TOGETHER)
    )
    return text(
        f"""
    WITH spoken AS (
        SELECT CASE WHEN EXISTS (
            SELECT FROM knowledge_sources
            WHERE tenant_id = :tenant_id AND language = CAST(:language AS text) AND published_version IS NOT NULL
        ) THEN CAST(:language AS text) ELSE 'en' END AS language
    ), near AS (
        SELECT chunks.id FROM chunks WHERE {may_see}
        ORDER BY chunks.embedding <=> CAST(:vector AS vector) LIMIT :nearest
    ), holding AS (
        SELECT id, words FROM ({steps}) AS found LIMIT :holding
    ), worded AS (
        SELECT id FROM holding ORDER BY ts_rank_cd(words, to_tsquery('simple', :words)) DESC, id LIMIT :worded
    )
    SELECT {COLUMNS}, 1 - (chunks.embedding <=> CAST(:vector AS vector)) AS similarity FROM {OF_A_VERSION}
    WHERE chunks.tenant_id = :tenant_id AND chunks.id = ANY(ARRAY(SELECT id FROM near UNION SELECT id FROM worded))
    ORDER BY similarity DESC, chunks.id
    """  # noqa: S608 - constants of ours
    )


CANDIDATES = _candidates(f"{VISIBLE_NOW} AND {FOR_THEM} AND {IN_FORCE}")
FILTERED = _candidates(f"{VISIBLE_NOW} AND {FOR_THEM} AND {IN_FORCE} AND {FILTERS}")
FILTERED_THEN = _candidates(f"{VISIBLE} AND {FOR_THEM} AND {WAS_IN_FORCE} AND {FILTERS}")
# What a search costs hangs on the tenant's size and on how rare the words are: a plan made once for all of them reads
# everything. And what a search reads is in memory: priced as a disk's, the planner reads all of the tenant's ids first.
# A search wants 30 that may be seen: pgvector's default holds 40 neighbours at hand, other tenants' among them.
PLAN_IT_ANEW = text(
    "SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('random_page_cost', '1.1', true), "
    "set_config('hnsw.ef_search', '100', true)"
)
FOR_CUSTOMER_IN = """source.visibility = 'public' AND version.visibility = 'public' AND (version.audiences = '{}'
          OR version.audiences && (
            SELECT customer.audiences FROM threads JOIN customers AS customer ON customer.tenant_id = threads.tenant_id
              AND customer.id = threads.customer_id
            WHERE threads.tenant_id = :tenant_id AND threads.id = :conversation_id))"""
"""What the customer of a conversation may see at this moment, of `source` and `version`."""
LOAD = text(
    f"""
    SELECT {COLUMNS} FROM {OF_A_VERSION}
    WHERE chunks.tenant_id = :tenant_id AND chunks.id = ANY(:ids) AND chunks.visibility = 'public'
          AND {FOR_CUSTOMER_IN} AND {IN_FORCE}
    """  # noqa: S608 - constants of ours
)
CITED_IN_FORCE = text(
    f"""
    SELECT source.id, version.version FROM knowledge_sources AS source
    JOIN knowledge_versions AS version ON version.tenant_id = source.tenant_id AND version.source_id = source.id
    WHERE source.tenant_id = :tenant_id AND source.id = ANY(:ids) AND {FOR_CUSTOMER_IN} AND {IN_FORCE}
    """  # noqa: S608 - constants of ours
)


AUDIENCES = text("SELECT audiences FROM customers WHERE tenant_id = :tenant_id AND id = :customer_id")
AUDIENCES_IN = text(
    "SELECT customer.audiences FROM threads JOIN customers AS customer ON customer.tenant_id = threads.tenant_id "
    "AND customer.id = threads.customer_id WHERE threads.tenant_id = :tenant_id AND threads.id = :conversation_id"
)


@dataclass(frozen=True, slots=True)
class Filters:
    """What a search is narrowed to.

    audiences      what customers of these audiences may see; None: of any
    changed_since  what came into force from then on
    as_of          what was in force at that moment instead of now
    """

    source_ids: tuple[UUID, ...] = ()
    tags: tuple[str, ...] = ()
    category: str | None = None
    audiences: tuple[str, ...] | None = None
    changed_since: datetime | None = None
    as_of: datetime | None = None


async def search(
    connection: AsyncConnection,
    tenant_id: UUID,
    query: str,
    vector: np.ndarray,
    language: str,
    audiences: Sequence[str] = (),
) -> list[ScoredPassage]:
    """What the answer to a customer of these `audiences` may rest on, by meaning and words, best first.

    Each with its cosine similarity. In the customer's `language` where there is knowledge in it, else in English.
    """
    where = {**_where(tenant_id, query, vector, language, CUSTOMERS), "audiences": list(audiences)}
    candidates = await _find(connection, CANDIDATES, where)
    ranked = _ranked(candidates, query, vector, language, PASSAGES)
    return [ScoredPassage(passage.chunk_id, round(passage.score, 4)) for passage in ranked]


async def search_for(
    connection: AsyncConnection,
    tenant_id: UUID,
    query: str,
    vector: np.ndarray,
    language: str,
    visibilities: Sequence[str],
    filters: Filters,
    most: int,
) -> tuple[Passage, ...]:
    """The same ranking for whoever may see these `visibilities`, narrowed by `filters`: the passages themselves."""
    where = {
        **_where(tenant_id, query, vector, language, visibilities),
        "nearest": max(NEAREST, most),
        "source_ids": list(filters.source_ids) or None,
        "tags": list(filters.tags) or None,
        "category": filters.category,
        "audiences": list(filters.audiences) if filters.audiences is not None else None,
        "changed_since": filters.changed_since,
    }
    if filters.as_of is not None:
        where["as_of"] = filters.as_of
    candidates = await _find(connection, FILTERED if filters.as_of is None else FILTERED_THEN, where)
    return _ranked(candidates, query, vector, language, most)


async def audiences_of(connection: AsyncConnection, tenant_id: UUID, customer_id: UUID) -> tuple[str, ...]:
    """What the tenant's backend said of this customer."""
    where = {"tenant_id": tenant_id, "customer_id": customer_id}
    found = await connection.execute(AUDIENCES, where)
    return tuple(found.scalar_one_or_none() or ())


async def audiences_in(connection: AsyncConnection, tenant_id: UUID, conversation_id: UUID) -> tuple[str, ...]:
    """The audiences of the customer of a conversation."""
    where = {"tenant_id": tenant_id, "conversation_id": conversation_id}
    found = await connection.execute(AUDIENCES_IN, where)
    return tuple(found.scalar_one_or_none() or ())


async def load_passages(
    connection: AsyncConnection, tenant_id: UUID, conversation_id: UUID, scored: Sequence[ScoredPassage]
) -> tuple[Passage, ...]:
    """The passages themselves, in the same order, without those that the conversation's customer may not see any more:
    withdrawn or expired meanwhile, made internal, or for an audience that they are not of."""
    where = {"tenant_id": tenant_id, "conversation_id": conversation_id, "ids": [each.chunk_id for each in scored]}
    rows = await connection.execute(LOAD, where)
    by_id = {row.id: row for row in rows}
    return tuple(_passage(by_id[each.chunk_id], each.score) for each in scored if each.chunk_id in by_id)


async def still_in_force(
    connection: AsyncConnection, tenant_id: UUID, conversation_id: UUID, citations: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Those of a draft's citations that an answer to the conversation's customer may rest on at this moment."""
    ids = [UUID(each["source_id"]) for each in citations]
    where = {"tenant_id": tenant_id, "conversation_id": conversation_id, "ids": ids}
    rows = await connection.execute(CITED_IN_FORCE, where) if ids else ()
    live = {(str(row.id), row.version) for row in rows}
    return [each for each in citations if (each["source_id"], each["version"]) in live]


async def _find(connection: AsyncConnection, statement: TextClause, where: Mapping[str, Any]) -> list[Passage]:
    await connection.execute(PLAN_IT_ANEW)
    return [_passage(row, float(row.similarity)) for row in await connection.execute(statement, where)]


def _where(
    tenant_id: UUID, query: str, vector: np.ndarray, language: str, visibilities: Sequence[str]
) -> dict[str, Any]:
    return {
        "tenant_id": tenant_id,
        "visibilities": list(visibilities),
        "language": language,
        "vector": str(vector.tolist()),
        "words": any_word(query, language),
        **{f"step_{number}": step for number, step in enumerate(word_steps(query, language))},
        "nearest": NEAREST,
        "holding": HOLDING,
        "worded": WORDED,
    }


def _ranked(
    candidates: Sequence[Passage], query: str, vector: np.ndarray, language: str, most: int
) -> tuple[Passage, ...]:
    return rank_passages(candidates, query, vector, candidates[0].language if candidates else language, most)


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
        # Whoever has the address of a help page reads it: there is none of what is for some only.
        url=help_path(row.tenant, row.language, row.slug, row.version) if not row.audiences else None,
        sentences=tuple(row.sentences),
        sentence_vectors=vectors.reshape(len(row.sentences), -1),
        position=row.position,
    )
