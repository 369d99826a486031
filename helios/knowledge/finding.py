"""The candidates of a search: chunks that lie near its vector in one space, and chunks that share its words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any

import numpy as np
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios.embedders.base import SpaceVector
from helios.knowledge.addresses import help_path
from helios.knowledge.shared_words import TOGETHER
from helios.knowledge.visible import (
    AS_DRAFTED,
    COLUMNS,
    FILTERS,
    FOR_THEM,
    IN_FORCE,
    OF_A_VERSION,
    VISIBLE,
    VISIBLE_NOW,
    WAS_IN_FORCE,
)
from helios.llm.base import Passage
from schema.embedders import SPACE_DIMENSIONS

SPOKEN = "chunks.language = (SELECT language FROM spoken)"


def _may_see(conditions: str, languages: str = SPOKEN) -> str:
    """Whether this caller may see a chunk is asked chunk by chunk, along an index of vectors or of words, until there
    are enough: OFFSET 0 keeps the planner from making a join of it, which would read all of the tenant's chunks."""
    return f"""chunks.tenant_id = :tenant_id AND {languages}
          AND chunks.visibility = ANY(:visibilities) AND EXISTS (
            SELECT FROM knowledge_sources AS source JOIN knowledge_versions AS version
              ON version.tenant_id = source.tenant_id AND version.source_id = source.id
            WHERE source.tenant_id = chunks.tenant_id AND source.id = chunks.source_id
              AND version.version = chunks.version AND {conditions} OFFSET 0)"""


def _candidates(conditions: str, near: str, nearness: str) -> TextClause:
    """Ids first, from narrow rows; the wide ones (texts, sentences, their vectors) are read of those few only.

    `near` finds by meaning, in whichever space, and `nearness` is how near a chunk is there.
    """
    spoken = "published_version IS NOT NULL"
    if AS_DRAFTED in conditions:
        spoken = f"({spoken} OR id = ANY(CAST(:drafted_sources AS uuid[])))"
    # Each step stops at its limit, and none is taken once there are enough.
    steps = " UNION ALL ".join(
        f"""(SELECT chunks.id, chunks.words FROM chunks
            WHERE chunks.words @@ to_tsquery('simple', :step_{number}) AND {_may_see(conditions)}
            LIMIT :holding)"""  # noqa: S608
        for number in range(TOGETHER)
    )
    return text(
        f"""
    WITH spoken AS (
        SELECT CASE WHEN EXISTS (
            SELECT FROM knowledge_sources
            WHERE tenant_id = :tenant_id AND language = CAST(:language AS text) AND {spoken}
        ) THEN CAST(:language AS text) ELSE 'en' END AS language
    ), near AS (
        {near} LIMIT :nearest
    ), holding AS (
        SELECT id, words FROM ({steps}) AS found LIMIT :holding
    ), worded AS (
        SELECT id FROM holding ORDER BY ts_rank_cd(words, to_tsquery('simple', :words)) DESC, id LIMIT :worded
    )
    SELECT {COLUMNS}, 1 - (chunks.embedding <=> CAST(:vector AS vector)) AS similarity, {nearness} AS nearness,
        (SELECT language FROM spoken) AS spoken
    FROM {OF_A_VERSION}
    WHERE chunks.tenant_id = :tenant_id AND chunks.id = ANY(ARRAY(SELECT id FROM near UNION SELECT id FROM worded))
    ORDER BY similarity DESC, chunks.id
    """  # noqa: S608 - constants of ours
    )


@cache
def _here(conditions: str) -> TextClause:
    """In the local encoder's space."""
    near = f"""SELECT chunks.id FROM chunks WHERE {_may_see(conditions)}
        ORDER BY chunks.embedding <=> CAST(:vector AS vector)"""  # noqa: S608
    return _candidates(conditions, near, "CAST(NULL AS float8)")


@cache
def _there(conditions: str, dimension: int, multilingual: bool) -> TextClause:
    """In another embedder's space. Its index is that of the dimension, which must stand in the statement."""
    if dimension not in SPACE_DIMENSIONS:
        raise ValueError(f"no space has {dimension} dimensions")
    distance = f"(held.embedding::halfvec({dimension})) <=> CAST(:space_vector AS halfvec({dimension}))"
    of_space = f"held.tenant_id = :tenant_id AND held.space = :space AND held.dimension = {dimension}"
    may_see = _may_see(conditions, "TRUE" if multilingual else SPOKEN)
    near = f"""SELECT held.chunk_id AS id FROM chunk_vectors AS held
        WHERE {of_space} AND EXISTS (SELECT FROM chunks WHERE chunks.id = held.chunk_id AND {may_see} OFFSET 0)
        ORDER BY {distance}"""  # noqa: S608
    nearness = f"""(SELECT 1 - ({distance}) FROM chunk_vectors AS held
          WHERE {of_space} AND held.chunk_id = chunks.id)"""  # noqa: S608
    return _candidates(conditions, near, nearness)


class Search(Enum):
    """The conditions that a candidate must fulfil."""

    NOW = f"{VISIBLE_NOW} AND {FOR_THEM} AND {IN_FORCE}"
    FILTERED = f"{VISIBLE_NOW} AND {FOR_THEM} AND {IN_FORCE} AND {FILTERS}"
    DRAFTED = f"{FOR_THEM} AND {AS_DRAFTED}"
    FILTERED_THEN = f"{VISIBLE} AND {FOR_THEM} AND {WAS_IN_FORCE} AND {FILTERS}"


# What a search costs hangs on the tenant's size and on how rare the words are: a plan made once for all of them reads
# everything. And what a search reads is in memory: priced as a disk's, the planner reads all of the tenant's ids first.
# A search wants 30 that may be seen: pgvector's default holds 40 neighbours at hand, other tenants' among them. With
# 100 two of forty searches of 100,000 chunks ended among the wrong ones, with 200 one; it costs 1 to 2 ms more.
PLAN_IT_ANEW = text(
    "SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('random_page_cost', '1.1', true), "
    "set_config('hnsw.ef_search', '200', true)"
)


@dataclass(frozen=True, slots=True)
class Found:
    """Candidates, the language that words were looked for in, and how near each is in a space other than the local."""

    passages: list[Passage]
    spoken: str | None
    nearness: list[float] | None


async def find_candidates(
    connection: AsyncConnection, kind: Search, where: Mapping[str, Any], space_vector: SpaceVector | None
) -> Found:
    """With `space_vector` those that are near in its space, and in no other."""
    await connection.execute(PLAN_IT_ANEW)
    if space_vector is None:
        statement = _here(kind.value)
    else:
        statement = _there(kind.value, space_vector.dimension, space_vector.multilingual)
        where = {**where, "space": space_vector.space, "space_vector": str(space_vector.vector.tolist())}
    rows = (await connection.execute(statement, where)).all()
    passages = [passage_of(row, float(row.similarity)) for row in rows]
    return Found(passages, rows[0].spoken if rows else None, _nearness(rows) if space_vector is not None else None)


def _nearness(rows: Sequence[Any]) -> list[float]:
    """What has no vector there was found by its words: as near as what is the farthest."""
    told = [row.nearness for row in rows]
    farthest = min((each for each in told if each is not None), default=0.0)
    return [farthest if each is None else float(each) for each in told]


def passage_of(row: Any, score: float) -> Passage:
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
