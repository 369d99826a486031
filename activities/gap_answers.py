"""Gaps against the knowledge of today: which are answered by now, and which articles come nearest to the others.

A gap is solved when most of its typical questions are answered with sentences of articles that came into force after
they were asked. What was in force already had its chance, whichever model declined.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from activities.resources import Resources
from helios import audit
from helios.crypto import Shredded
from helios.knowledge.extraction import select_sentences
from helios.knowledge.gaps import QUESTION, row_of
from helios.knowledge.retrieval import PASSAGES, Filters, search_for
from helios.knowledge.visible import CUSTOMERS
from helios.llm.base import Passage, Prompt
from schema.privacy import TenantRef

TYPICAL = 3
"""Questions of a gap that are asked again."""
NEAREST = 3
GAPS = text(
    """
    SELECT gap.id, gap.status, gap.source_id, kept.conversation_id, kept.turn, kept.language, kept.asked_at,
           kept.question_ct
    FROM knowledge_gaps AS gap JOIN gap_questions AS kept ON kept.tenant_id = gap.tenant_id AND kept.gap_id = gap.id
    WHERE gap.tenant_id = :tenant_id AND gap.status <> 'dismissed' AND kept.place < :typical
    ORDER BY gap.id, kept.place
    """
)
IN_FORCE_SINCE = text(
    "SELECT source_id, version, published_at FROM publications "
    "WHERE tenant_id = :tenant_id AND source_id = ANY(:sources) AND ended_at IS NULL"
)
SAVE = text(
    """
    UPDATE knowledge_gaps SET status = :status, nearest = :nearest, updated_at = now()
    WHERE tenant_id = :tenant_id AND id = :id AND status <> 'dismissed'
    """
).bindparams(bindparam("nearest", type_=JSONB))


async def look_for_answers(resources: Resources, ref: TenantRef) -> int:
    async with resources.database.tenant(ref.tenant_id) as connection:
        rows = (await connection.execute(GAPS, {"tenant_id": ref.tenant_id, "typical": TYPICAL})).all()
    typical: dict[UUID, list[Any]] = defaultdict(list)
    for row in rows:
        typical[row.id].append(row)
    still_open = 0
    for questions in typical.values():
        asked = [await _ask(resources, ref, each) for each in questions]
        solved = 2 * sum(answered for answered, _ in asked) > len(asked)
        await _save(resources, ref, questions[0], solved, _nearest([found for _, found in asked]))
        still_open += not solved
    return still_open


async def _ask(resources: Resources, ref: TenantRef, row: Any) -> tuple[bool, Sequence[Passage]]:
    """Whether what came into force since answers it now, and the passages that come nearest."""
    with suppress(Shredded):
        keys = await resources.keyring.conversation(ref.tenant_id, row.conversation_id)
        question = keys.open_text(row.question_ct, QUESTION, row_of(row.conversation_id, row.turn))
        vector = (await asyncio.to_thread(resources.encoder.embed, [question]))[0]
        async with resources.database.tenant(ref.tenant_id) as connection:
            passages = await search_for(
                connection, ref.tenant_id, question, vector, row.language, CUSTOMERS, Filters(audiences=()), PASSAGES
            )
            sources = {"tenant_id": ref.tenant_id, "sources": [each.source_id for each in passages]}
            since = {each.source_id: each.published_at for each in await connection.execute(IN_FORCE_SINCE, sources)}
        prompt = Prompt("", row.language, question, vector, passages, ())
        chosen = await asyncio.to_thread(select_sentences, prompt, resources.encoder)
        cited = [passages[quote.passage].source_id for quote in chosen.quotes]
        return any(each in since and since[each] > row.asked_at for each in cited), passages
    return False, ()


def _nearest(found: Sequence[Sequence[Passage]]) -> list[dict[str, Any]]:
    """The articles that come nearest to any of the questions, each once, with its best score."""
    best: dict[UUID, Passage] = {}
    for passage in (each for passages in found for each in passages):
        if passage.source_id not in best or passage.score > best[passage.source_id].score:
            best[passage.source_id] = passage
    ranked = sorted(best.values(), key=lambda each: (-each.score, str(each.source_id)))[:NEAREST]
    return [
        {"source_id": str(each.source_id), "version": each.version, "title": each.title, "score": round(each.score, 4)}
        for each in ranked
    ]


async def _save(resources: Resources, ref: TenantRef, gap: Any, solved: bool, nearest: list[dict[str, Any]]) -> None:
    status = "solved" if solved else "drafted" if gap.source_id else "open"
    async with resources.database.tenant(ref.tenant_id) as connection:
        values = {"tenant_id": ref.tenant_id, "id": gap.id, "status": status, "nearest": nearest}
        saved = await connection.execute(SAVE, values)
        if saved.rowcount and status != gap.status:
            action = "knowledge_gap.solved" if solved else "knowledge_gap.reopened"
            await audit.record(connection, ref.tenant_id, action, actor=("system", None),
                               subject=("knowledge_gap", gap.id))  # fmt: skip
