"""From a knowledge gap to an article: a draft that goes the way of every version, or a gap that is left alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api import knowledge_examples as examples
from api.described import described, json_content
from api.gap_presentation import opened, read_ones, title_of
from api.idempotency import IdempotentRoute, resource_id
from api.knowledge_gaps import Editor
from api.models import GapChange
from api.problems import Problem, not_found
from api.starting import start_later
from api.state import Services, State
from helios import audit
from helios.crypto import Keys
from helios.knowledge.gap_draft import article
from helios.knowledge.gaps import ANSWER, row_of
from helios.knowledge.starting import start_ingestion
from helios.knowledge.submission import Submission, submit
from helios.tokens import Identity
from schema.ingestion import VersionRef

router = APIRouter(prefix="/v1/analytics/knowledge-gaps/{gap_id}", tags=["Analytics"], route_class=IdempotentRoute)

TAG = "knowledge-gap"
TITLE_MAX = 120
LOCKED = text("SELECT * FROM knowledge_gaps WHERE tenant_id = :tenant_id AND id = :id FOR UPDATE")
QUESTIONS = text(
    """
    SELECT kept.*, threads.customer_id FROM gap_questions AS kept
    JOIN threads ON threads.tenant_id = kept.tenant_id AND threads.id = kept.conversation_id
    WHERE kept.tenant_id = :tenant_id AND kept.gap_id = :id ORDER BY kept.answer_ct IS NULL, kept.place
    """
)
DRAFTED = text(
    "UPDATE knowledge_gaps SET status = 'drafted', source_id = :source_id, version = :version, updated_at = now() "
    "WHERE tenant_id = :tenant_id AND id = :id"
)
CHANGE = text(
    """
    UPDATE knowledge_gaps SET updated_at = now(),
        status = CASE WHEN CAST(:status AS text) = 'open' AND source_id IS NOT NULL THEN 'drafted'
                      ELSE CAST(:status AS text) END
    WHERE tenant_id = :tenant_id AND id = :id RETURNING status
    """
)


@router.post(
    "/draft",
    **described(
        examples.GAP_DRAFT, "forbidden", "not_found", "gap_too_small", status=202, about="The draft is being ingested",
        also={200: {"description": "There is one already", "content": json_content(examples.GAP_DRAFT)}},
    ),
)  # fmt: skip
async def draft_article(gap_id: UUID, request: Request, services: State, editor: Editor) -> Response:
    """Hands in a draft article in the editor's name: the questions as headings, what agents answered, and blanks.

    It waits for review as every version does, and cannot be approved while a blank is left: hand in the next version.
    """
    where = {"tenant_id": editor.tenant_id, "id": gap_id}
    async with services.database.tenant(editor.tenant_id) as connection:
        gap = (await connection.execute(LOCKED, where)).one_or_none()
        if gap is None:
            not_found()
        if gap.source_id is not None:
            return _drafted(VersionRef(editor.tenant_id, gap.source_id, gap.version), 200)
        questions = (await connection.execute(QUESTIONS, where)).all()
        made = await _submission(services, editor, questions)
        keys = await services.keyring.tenant(editor.tenant_id)
        ref, _ = await submit(connection, keys, made, resource_id(request))
        await connection.execute(DRAFTED, {**where, "source_id": ref.source_id, "version": ref.version})
        await _record(connection, editor, gap_id, "drafted", source_id=str(ref.source_id))
    await start_later(start_ingestion(services.conversations.client, services.settings, ref), "ingestion")
    return _drafted(ref, 202)


@router.put(
    "/status",
    **described({"status": "dismissed"}, "forbidden", "not_found", body={"status": "dismissed"}, about="Changed"),
)
async def change_gap(gap_id: UUID, body: GapChange, services: State, editor: Editor) -> Response:
    """Dismisses a gap that needs no article, for as long as anybody asks about it; or opens it again."""
    where = {"tenant_id": editor.tenant_id, "id": gap_id, "status": body.status}
    async with services.database.tenant(editor.tenant_id) as connection:
        status = (await connection.execute(CHANGE, where)).scalar_one_or_none()
        if status is None:
            not_found()
        await _record(connection, editor, gap_id, "changed", status=status)
    return JSONResponse({"status": status})


async def _submission(services: Services, editor: Identity, questions: Sequence[Any]) -> Submission:
    """Raises `gap_too_small` where too few customers asked for anybody to read their words."""
    keys = await services.keyring.customers(editor.tenant_id, [each.customer_id for each in read_ones(questions)])
    read = opened(questions, keys)
    if not read:
        raise Problem("gap_too_small")
    language = Counter(each.language for each in questions).most_common(1)[0][0]
    words = [question for _, question in read]
    title = (title_of(words, language) or words[0])[:TITLE_MAX].strip()
    asked = [(question, _answer(keys[each.customer_id], each)) for each, question in read]
    return Submission(
        title=title[:1].upper() + title[1:], original=article(title, asked).encode(), media_type="text/markdown",
        language=language, visibility="public", submitted_by=editor.id, tags=(TAG,),
    )  # fmt: skip


def _answer(keys: Keys, question: Any) -> str | None:
    """What an agent answered in place of the AI, redacted."""
    if question.answer_ct is None:
        return None
    return keys.open_text(question.answer_ct, ANSWER, row_of(question.conversation_id, question.turn))


def _drafted(ref: VersionRef, status: int) -> Response:
    location = f"/v1/knowledge/sources/{ref.source_id}/versions/{ref.version}"
    return JSONResponse({"source_id": str(ref.source_id), "version": ref.version}, status, {"Location": location})


async def _record(connection: AsyncConnection, editor: Identity, gap_id: UUID, done: str, **detail: str) -> None:
    await audit.record(connection, editor.tenant_id, f"knowledge_gap.{done}", actor=("user", editor.id),
                       subject=("knowledge_gap", gap_id), detail=detail)  # fmt: skip
