"""Retrieval: the passages that an answer may rest on. Who may see a passage is decided before how near it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios.embedders.base import SpaceVector
from helios.knowledge.finding import Found, Search, find_candidates, passage_of
from helios.knowledge.ranking import rank_passages
from helios.knowledge.shared_words import any_word, word_steps
from helios.knowledge.visible import COLUMNS, CUSTOMERS, FOR_CUSTOMER_IN, IN_FORCE, OF_A_VERSION
from helios.llm.base import Passage
from schema.steps import ScoredPassage

PASSAGES = 10
NEAREST = 30
WORDED = 10
HOLDING = 200
"""Chunks with words of the question that are ranked; where more hold some, those with more of them come first."""

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
    space_vector: SpaceVector | None = None,
) -> list[ScoredPassage]:
    """What the answer to a customer of these `audiences` may rest on, by meaning and words, best first.

    `vector` is the local encoder's, and so is each passage's score, the cosine to it. With `space_vector` meaning is
    looked for in that space. In the customer's `language` where there is knowledge in it, else in English; a
    multilingual space finds by meaning in any.
    """
    where = {**_where(tenant_id, query, vector, language, CUSTOMERS), "audiences": list(audiences)}
    found = await find_candidates(connection, Search.NOW, where, space_vector)
    ranked = _ranked(found, query, vector, language, PASSAGES)
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
    space_vector: SpaceVector | None = None,
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
    kind = Search.FILTERED if filters.as_of is None else Search.FILTERED_THEN
    found = await find_candidates(connection, kind, where, space_vector)
    return _ranked(found, query, vector, language, most)


async def search_drafted(
    connection: AsyncConnection,
    tenant_id: UUID,
    query: str,
    vector: np.ndarray,
    language: str,
    audiences: Sequence[str],
    drafts: Sequence[tuple[UUID, int]],
    space_vector: SpaceVector | None = None,
) -> tuple[Passage, ...]:
    """What `search` would find if these versions, by their sources' ids, were published; with none, what it finds."""
    where = {**_where(tenant_id, query, vector, language, CUSTOMERS), "audiences": list(audiences), **drafted(drafts)}
    found = await find_candidates(connection, Search.DRAFTED, where, space_vector)
    return _ranked(found, query, vector, language, PASSAGES)


def drafted(drafts: Sequence[tuple[UUID, int]]) -> dict[str, Any]:
    """Parameters of `AS_DRAFTED`."""
    return {"drafted_sources": [source for source, _ in drafts], "drafted_versions": [number for _, number in drafts]}


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
    return tuple(passage_of(by_id[each.chunk_id], each.score) for each in scored if each.chunk_id in by_id)


async def still_in_force(
    connection: AsyncConnection, tenant_id: UUID, conversation_id: UUID, citations: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Those of a draft's citations that an answer to the conversation's customer may rest on at this moment."""
    ids = [UUID(each["source_id"]) for each in citations]
    where = {"tenant_id": tenant_id, "conversation_id": conversation_id, "ids": ids}
    rows = await connection.execute(CITED_IN_FORCE, where) if ids else ()
    live = {(str(row.id), row.version) for row in rows}
    return [each for each in citations if (each["source_id"], each["version"]) in live]


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


def _ranked(found: Found, query: str, vector: np.ndarray, language: str, most: int) -> tuple[Passage, ...]:
    searched = found.spoken or language
    return rank_passages(found.passages, query, vector, searched, most, found.nearness, asked=language)
