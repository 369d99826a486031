"""Search in the knowledge, ranked exactly as for an answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from api.authentication import caller
from api.described import described
from api.idempotency import IdempotentRoute
from api.knowledge_examples import PASSAGE
from api.languages import language_of
from api.models import KnowledgeSearch, SearchFilters
from api.problems import Problem
from api.search_vectors import vectors_of
from api.state import State
from helios.knowledge.retrieval import Filters, audiences_of, search_for
from helios.knowledge.visible import CUSTOMERS
from helios.llm.base import Passage
from helios.tokens import Identity

router = APIRouter(prefix="/v1/knowledge", tags=["Knowledge"], route_class=IdempotentRoute)

STAFF_SEE = ("public", "internal")


@router.post(
    "/search",
    **described(
        {"passages": [PASSAGE]},
        "forbidden",
        body={"query": "How much is a replacement card?", "top_k": 3},
        about="The passages",
    ),
)
async def search_knowledge(
    body: KnowledgeSearch, services: State, asker: Annotated[Identity, Depends(caller("knowledge.search"))]
) -> Response:
    """Passages by meaning and words, best first, with the score that answers are ranked by. Customers find what is
    public and in force now."""
    if asker.kind == "customer" and body.as_of is not None:
        raise Problem("forbidden", "Only staff may search the past.")
    if body.as_of is not None and body.as_of > datetime.now(UTC):
        raise Problem("invalid_request", errors=[{"pointer": "/as_of", "detail": "is still to come"}])
    asked = body.filters or SearchFilters()
    may_see = CUSTOMERS if asker.kind == "customer" else STAFF_SEE
    visible = tuple(each for each in may_see if asked.visibility in (None, each))
    language = asked.language or await language_of(body.query)
    vector, near = await vectors_of(services, asker.tenant_id, body.query, language)
    async with services.database.tenant(asker.tenant_id) as connection:
        filters = Filters(
            source_ids=tuple(asked.source_ids or ()),
            tags=tuple(asked.tags or ()),
            category=asked.category,
            audiences=await _audiences(connection, asker, asked),
            changed_since=asked.changed_since,
            as_of=body.as_of,
        )
        found = await search_for(
            connection, asker.tenant_id, body.query, vector, language, visible, filters, body.top_k, near
        )
    return JSONResponse({"passages": [_passage_json(passage) for passage in found]})


async def _audiences(connection: AsyncConnection, asker: Identity, asked: SearchFilters) -> tuple[str, ...] | None:
    """A customer's own, whatever they ask for. Staff may look through the eyes of any, or see all."""
    if asker.kind == "customer":
        return await audiences_of(connection, asker.tenant_id, asker.id)
    return tuple(asked.audiences) if asked.audiences is not None else None


def _passage_json(passage: Passage) -> dict[str, Any]:
    return {
        "chunk_id": str(passage.chunk_id),
        "source_id": str(passage.source_id),
        "version": passage.version,
        "title": passage.title,
        "text": passage.text,
        "language": passage.language,
        "score": round(passage.score, 4),
        "url": passage.url,
    }
