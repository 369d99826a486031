"""Which questions nothing answered: found in the turns that ended, redacted, and kept under their customer's key.

declined    no passage supported an answer, and the customer was told so
ungrounded  an answer was held because its figures stood in no passage
unhelpful   the customer said of the answer that it did not help
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import numpy as np
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from activities.masking import spans_of
from activities.reading import CONTENT, question_of, read_messages
from activities.resources import Resources
from helios.crypto import Keys, Shredded
from helios.detection.redaction import tokenise
from helios.knowledge.gaps import ANSWER, KEPT_DAYS, QUESTION, VECTOR, row_of
from helios.knowledge.query import contextual_query
from helios.llm.base import PastMessage
from helios.rules.redaction import Applied, redaction_of
from schema.privacy import TenantRef
from schema.steps import TurnRef
from schema.tables import GapQuestion

BATCH = 50
CAUSE = """CASE
        WHEN turns.outcome = 'answered' AND turns.draft ->> 'supported' = 'false' THEN 'declined'
        WHEN turns.outcome = 'held' AND turns.draft -> 'reasons' ? 'output.figure' THEN 'ungrounded'
        WHEN turns.outcome = 'answered' AND EXISTS (
            SELECT FROM feedback WHERE feedback.tenant_id = turns.tenant_id
              AND feedback.conversation_id = turns.conversation_id AND feedback.message_id = turns.reply_id
              AND NOT feedback.helpful) THEN 'unhelpful'
        END"""
NEW = text(
    f"""
    SELECT * FROM (
        SELECT turns.conversation_id, turns.number AS turn, turns.received_at,
               {CAUSE} AS cause, analytics.channel, analytics.language, analytics.intent
        FROM turns
        JOIN threads ON threads.tenant_id = turns.tenant_id AND threads.id = turns.conversation_id
        JOIN analytics ON analytics.tenant_id = turns.tenant_id AND analytics.turn_id = turns.reply_id
        WHERE turns.tenant_id = :tenant_id AND turns.completed_at IS NOT NULL AND threads.erased_at IS NULL
          AND turns.received_at > now() - make_interval(days => :days)
          AND NOT EXISTS (
            SELECT FROM gap_questions AS kept WHERE kept.tenant_id = turns.tenant_id
              AND kept.conversation_id = turns.conversation_id AND kept.turn = turns.number)
    ) AS ended WHERE cause IS NOT NULL ORDER BY received_at, conversation_id, turn LIMIT :most
    """  # noqa: S608 - a constant of ours
)
# Whoever erases a conversation holds its row: what is kept of it is kept before that, or not at all.
LOCK = text("SELECT erased_at IS NULL FROM threads WHERE tenant_id = :tenant_id AND id = :conversation_id FOR UPDATE")
FORGET = text(
    "DELETE FROM gap_questions WHERE tenant_id = :tenant_id AND asked_at < now() - make_interval(days => :days)"
)
ANSWERED = text(
    """
    SELECT kept.conversation_id, kept.turn, kept.language, answer.id, answer.content_ct
    FROM gap_questions AS kept JOIN LATERAL (
        SELECT id, content_ct FROM messages
        WHERE messages.tenant_id = kept.tenant_id AND messages.conversation_id = kept.conversation_id
          AND messages.role = 'agent' AND messages.turn >= kept.turn ORDER BY messages.created_at, messages.id LIMIT 1
    ) AS answer ON true
    WHERE kept.tenant_id = :tenant_id AND kept.answer_ct IS NULL LIMIT :most
    """
)
KEEP_ANSWER = text(
    "UPDATE gap_questions SET answer_ct = :answer_ct "
    "WHERE tenant_id = :tenant_id AND conversation_id = :conversation_id AND turn = :turn"
)
RULES = text("SELECT version FROM redaction_rules WHERE tenant_id = :tenant_id AND status = 'published'")


async def collect_questions(resources: Resources, ref: TenantRef) -> int:
    """The next turns that nothing answered, and what people answered since to those that are kept."""
    where = {"tenant_id": ref.tenant_id, "days": KEPT_DAYS, "most": BATCH}
    async with resources.database.tenant(ref.tenant_id) as connection:
        await connection.execute(FORGET, {name: where[name] for name in ("tenant_id", "days")})
        version = (await connection.execute(RULES, {"tenant_id": ref.tenant_id})).scalar_one()
        redaction = await redaction_of(connection, ref.tenant_id, version)
        turns = (await connection.execute(NEW, where)).all()
        answers = (await connection.execute(ANSWERED, {"tenant_id": ref.tenant_id, "most": BATCH})).all()
    tenant = await resources.keyring.tenant(ref.tenant_id)
    kept = 0
    for keep, rows in ((_keep, turns), (_keep_answer, answers)):
        for row in rows:
            # Of somebody who is being erased nothing can be read or written any more.
            with suppress(Shredded):
                keys = await resources.keyring.conversation(ref.tenant_id, row.conversation_id)
                kept += await keep(resources, keys, Applied(redaction=redaction, keys=tenant), row)
    return kept


async def _keep(resources: Resources, keys: Keys, applied: Applied, row: Any) -> int:
    ref = TurnRef(keys.tenant_id, row.conversation_id, row.turn)
    async with resources.database.tenant(ref.tenant_id) as connection:
        messages = await read_messages(connection, keys, ref)
    history = [PastMessage("customer", each.content) for each in messages
               if each.turn < ref.turn and each.role == "customer"]  # fmt: skip
    asked = contextual_query(question_of(messages, ref.turn), history, row.language)
    question = await asyncio.to_thread(_redacted, resources, asked, row.language, applied)
    vector = (await asyncio.to_thread(resources.encoder.embed, [question]))[0]
    place = row_of(row.conversation_id, row.turn)
    values = {
        "tenant_id": ref.tenant_id, "conversation_id": row.conversation_id, "turn": row.turn, "cause": row.cause,
        "language": row.language, "channel": row.channel, "intent": row.intent, "asked_at": row.received_at,
        "question_ct": keys.seal_text(question, QUESTION, place), "embedder": resources.encoder.name,
        "vector_ct": keys.seal(vector.astype(np.float16).tobytes(), VECTOR, place),
    }  # fmt: skip
    async with resources.database.tenant(ref.tenant_id) as connection:
        where = {"tenant_id": ref.tenant_id, "conversation_id": row.conversation_id}
        if not (await connection.execute(LOCK, where)).scalar_one():
            return 0
        kept = await connection.execute(insert(GapQuestion).values(**values).on_conflict_do_nothing())
    return kept.rowcount


async def _keep_answer(resources: Resources, keys: Keys, applied: Applied, row: Any) -> int:
    said = keys.open_text(row.content_ct, CONTENT, row.id)
    answer = await asyncio.to_thread(_redacted, resources, said, row.language, applied)
    sealed = keys.seal_text(answer, ANSWER, row_of(row.conversation_id, row.turn))
    where = {"tenant_id": keys.tenant_id, "conversation_id": row.conversation_id, "turn": row.turn}
    async with resources.database.tenant(keys.tenant_id) as connection:
        return (await connection.execute(KEEP_ANSWER, {**where, "answer_ct": sealed})).rowcount


def _redacted(resources: Resources, words: str, language: str, applied: Applied) -> str:
    """By the tenant's rules, also names that no cue announces: what is left is read by people who do not know whose."""
    spans = [*spans_of(resources, words, language, names=True), *applied.redaction.find(words)]
    return tokenise(words, spans, applied).text
