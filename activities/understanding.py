"""The first step of a turn: begin it, screen it, classify it, and find what an answer may rest on."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.reading import StoredMessage, question_of, read_messages, read_thread
from activities.resources import Resources
from activities.retrieval import search
from activities.screening import screen
from helios import facts
from helios.crypto import TenantKeys
from helios.detection.personal import find as find_personal_data
from helios.detection.redaction import tokenise
from helios.knowledge.query import contextual_query
from helios.llm.base import PastMessage
from schema.steps import TurnRef, Understanding

WITH_HUMAN = ("waiting_human", "with_agent")
KNOWLEDGE_LANGUAGES = text(
    "SELECT DISTINCT language FROM knowledge_sources WHERE tenant_id = :tenant_id AND published_version IS NOT NULL"
)
SEAL_THREAD = text(
    "UPDATE threads SET sealed_turn = :turn, language = :language WHERE tenant_id = :tenant_id AND id = :conversation_id"
)
SEAL_TURN = text(
    "UPDATE turns SET sealed_at = coalesce(sealed_at, now()) "
    "WHERE tenant_id = :tenant_id AND conversation_id = :conversation_id AND number = :turn"
)


@dataclass(frozen=True, slots=True)
class Begun:
    thread: Any
    ref: TurnRef
    messages: list[StoredMessage]
    language: str


async def understand(resources: Resources, requested: TurnRef) -> Understanding:
    keys = await resources.keyring.tenant(requested.tenant_id)
    async with resources.database.tenant(requested.tenant_id) as connection:
        begun = await begin_turn(resources, connection, keys, requested)
    if begun is None:
        return Understanding(turn=requested.turn, state="done")
    if begun.thread.status in WITH_HUMAN:
        return Understanding(turn=begun.ref.turn, state="with_human", language=begun.language)
    await resources.frames.announce(requested.tenant_id, requested.conversation_id, begun.thread.last_seq + 1)
    return await _look_into(resources, begun)


async def begin_turn(
    resources: Resources, connection: AsyncConnection, keys: TenantKeys, requested: TurnRef
) -> Begun | None:
    """Seals the oldest turn that has not ended, so that it takes no more messages. None where all have ended."""
    thread = await read_thread(connection, requested, lock=True)
    if thread.completed_turn >= requested.turn:
        return None
    ref = TurnRef(requested.tenant_id, requested.conversation_id, thread.completed_turn + 1)
    messages = await read_messages(connection, keys, ref)
    known = thread.language or (thread.locale or "en")[:2].lower()
    language = resources.languages.detect(question_of(messages, ref.turn), default=known).code
    where = {"tenant_id": ref.tenant_id, "conversation_id": ref.conversation_id, "turn": ref.turn}
    if thread.sealed_turn < ref.turn:
        await connection.execute(SEAL_THREAD, {**where, "language": language})
        await connection.execute(SEAL_TURN, where)
    await facts.append(connection, ref.tenant_id, ref.conversation_id, [facts.stage(ref.turn, "screening")])
    return Begun(thread, ref, messages, language)


async def _look_into(resources: Resources, begun: Begun) -> Understanding:
    started = time.perf_counter()
    question = question_of(begun.messages, begun.ref.turn)
    masked = [label for each in begun.messages if each.turn == begun.ref.turn for label in each.masked]
    screened = screen(question, masked)
    screened_at = time.perf_counter()
    history = [PastMessage("customer" if each.role == "customer" else "assistant", each.content)
               for each in begun.messages if each.turn < begun.ref.turn]  # fmt: skip
    query = contextual_query(question, history, begun.language)
    if screened.wants_draft:
        # A report is no question: what the bank says about such a case is what an agent's draft needs.
        query = f"{screened.reason.replace('_', ' ')}: {query}"
    query = tokenise(query, find_personal_data(query, begun.language)).text
    texts = [question] if query == question else [question, query]
    vectors = await asyncio.to_thread(resources.encoder.embed, texts)
    question_vector, vector = vectors[0], vectors[-1]
    intent = resources.intents.classify(question_vector)
    encoded_at = time.perf_counter()
    passages = []
    if screened.verdict == "answer" or screened.wants_draft:
        async with resources.database.tenant(begun.ref.tenant_id) as connection:
            languages = set(await connection.scalars(KNOWLEDGE_LANGUAGES, {"tenant_id": begun.ref.tenant_id}))
            language = begun.language if begun.language in languages else "en"
            passages = await search(connection, begun.ref.tenant_id, query, vector, language)
    return Understanding(
        turn=begun.ref.turn,
        state="begun",
        language=begun.language,
        intent=intent.name,
        intent_confidence=round(intent.confidence, 4),
        situations=list(screened.situations),
        verdict=screened.verdict,
        situation=screened.situation,
        reason=screened.reason,
        passages=passages,
        generators=list(resources.generators),
        wants_draft=screened.wants_draft,
        step_ms=_milliseconds(started, screened_at, encoded_at),
    )


def _milliseconds(started: float, screened_at: float, encoded_at: float) -> dict[str, int]:
    marks = {"screening": screened_at - started, "intent": encoded_at - screened_at}
    return {name: round(1000 * took) for name, took in {**marks, "retrieval": time.perf_counter() - encoded_at}.items()}


