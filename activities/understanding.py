"""The first step of a turn: begin it, screen it, classify it, and find what an answer may rest on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.masking import spans_of
from activities.reading import StoredMessage, question_of, read_messages, read_thread, settings_of
from activities.resources import Resources
from activities.screening import Screened, screen
from helios import facts
from helios.crypto import Keys
from helios.detection.redaction import tokenise
from helios.embedders.asking import NOT_ASKED, Asked, ask
from helios.intents.document import SHIPPED_VERSION
from helios.knowledge.retrieval import PASSAGES, audiences_in, search
from helios.knowledge.several import interleaved, queries_of
from helios.llm.base import PastMessage
from helios.models.intent import Intent, IntentClassifier
from helios.rules.policy import Policy, policy_of
from helios.rules.redaction import Redaction, redaction_of
from schema.steps import ScoredPassage, TurnRef, Understanding
from schema.visibility import shown_channel

WITH_HUMAN = ("waiting_human", "with_agent")
SEAL = text(
    """
    WITH turn AS (
        UPDATE turns SET sealed_at = coalesce(sealed_at, now())
        WHERE tenant_id = :tenant_id AND conversation_id = :conversation_id AND number = :turn
    )
    UPDATE threads SET sealed_turn = :turn, language = :language
    WHERE tenant_id = :tenant_id AND id = :conversation_id
    """
)


@dataclass(frozen=True, slots=True)
class Begun:
    thread: Any
    ref: TurnRef
    messages: list[StoredMessage]
    language: str
    policy: Policy
    intents: IntentClassifier | None
    """The tenant's own; None: the shipped one."""
    redaction: Redaction


@dataclass(frozen=True, slots=True)
class Classified:
    intent: Intent
    queries: tuple[str, ...]
    """One for each thing that is asked."""
    vectors: np.ndarray
    """Of the queries: (queries, 384) float32, unit length."""
    question_vector: np.ndarray
    """Of the whole question, likewise: what intent and screening look at."""


async def understand(resources: Resources, requested: TurnRef) -> Understanding:
    async with AsyncExitStack() as place:
        await place.enter_async_context(resources.computing.of(requested.tenant_id))
        keys = await resources.keyring.conversation(requested.tenant_id, requested.conversation_id)
        async with resources.database.tenant(requested.tenant_id) as connection:
            begun = await begin_turn(resources, connection, keys, requested)
        if begun is None:
            return Understanding(turn=requested.turn, state="done")
        if begun.thread.status in WITH_HUMAN:
            return await _listen_in(resources, begun)
        await resources.frames.announce(requested.tenant_id, requested.conversation_id, begun.thread.last_seq + 1)
        return await _look_into(resources, begun, place)


async def begin_turn(resources: Resources, connection: AsyncConnection, keys: Keys, requested: TurnRef) -> Begun | None:
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
        await connection.execute(SEAL, {**where, "language": language})
    await facts.append(connection, ref.tenant_id, ref.conversation_id, [facts.stage(ref.turn, "screening")])
    policy = await policy_of(connection, ref.tenant_id, thread.policy_version)
    intents = await resources.tenant_intents.of(connection, ref.tenant_id, thread.intents_version, resources.encoder)
    redaction = await redaction_of(connection, ref.tenant_id, thread.redaction_version)
    return Begun(thread, ref, messages, language, policy, intents, redaction)


async def _look_into(resources: Resources, begun: Begun, place: AsyncExitStack) -> Understanding:
    started = time.perf_counter()
    question, masked, history = words_of(begun)
    found = await classify(resources, question, history, begun.language, begun.intents)
    classified_at = time.perf_counter()
    screened = screen(question, masked, found.question_vector, begun.policy)
    screened_at = time.perf_counter()
    passages, asked = list[ScoredPassage](), NOT_ASKED
    if screened.verdict == "answer" or screened.wants_draft:
        if screened.wants_draft:
            found = await asyncio.to_thread(_about, resources, found, screened.reason)
        asked = await _ask_space(resources, begun, found, place)
        spoken = settings_of(begun.thread).language_for(begun.language)
        passages = await retrieve(resources, begun.ref, found, spoken, asked)
    return replace(
        _seen(begun, "begun", found, screened),
        reason=screened.reason,
        passages=passages,
        generators=settings_of(begun.thread).chain(tuple(resources.generators)),
        wants_draft=screened.wants_draft,
        embedder=asked.embedder,
        embedder_failure=asked.failure,
        step_ms=_milliseconds(started, classified_at, screened_at),
    )


async def _listen_in(resources: Resources, begun: Begun) -> Understanding:
    """A person answers. What is regulated or urgent is looked for all the same: `activities.forwarding` acts on it."""
    question, masked, history = words_of(begun)
    found = await classify(resources, question, history, begun.language, begun.intents)
    screened = screen(question, masked, found.question_vector, begun.policy)
    return replace(_seen(begun, "with_human", found, screened), status=begun.thread.status)


def _seen(begun: Begun, state: Literal["begun", "with_human"], found: Classified, screened: Screened) -> Understanding:
    """What is known of a turn whoever answers it."""
    return Understanding(
        turn=begun.ref.turn,
        state=state,
        language=begun.language,
        intent=found.intent.name,
        intent_confidence=round(found.intent.confidence, 4),
        situations=list(screened.situations),
        verdict=screened.verdict,
        situation=screened.situation,
        policy_version=begun.policy.version,
        redaction_version=begun.thread.redaction_version,
        intents_version=SHIPPED_VERSION if begun.intents is None else begun.thread.intents_version,
        channel=shown_channel(begun.thread.channel),
    )


def words_of(begun: Begun) -> tuple[str, list[str], list[PastMessage]]:
    """What the customer asks in this turn, what was masked in it, and what was said before."""
    masked = [label for each in begun.messages if each.turn == begun.ref.turn for label in each.masked]
    history = [PastMessage("customer" if each.role == "customer" else "assistant", each.content)
               for each in begun.messages if each.turn < begun.ref.turn]  # fmt: skip
    return question_of(begun.messages, begun.ref.turn), masked, history


async def classify(
    resources: Resources,
    question: str,
    history: Sequence[PastMessage],
    language: str,
    intents: IntentClassifier | None = None,
) -> Classified:
    """The intent, and what to search for: the question as the history completes it, without personal data.

    `intents`: the tenant's own, where it has some.
    """
    completed = queries_of(question, history, language)
    queries = tuple([await asyncio.to_thread(_without_personal_data, resources, each, language) for each in completed])
    # The pass that found the names in a message gave its vector, too; others are for what the history completed.
    texts = [question] if completed == (question,) else [question, *queries]
    vectors = await asyncio.to_thread(resources.encoder.embed, texts)
    intent = (intents or resources.intents).classify(vectors[0], question)
    return Classified(intent, queries, vectors[-len(queries) :], vectors[0])


def _without_personal_data(resources: Resources, query: str, language: str) -> str:
    """Typed tokens in the places of values, also of names that no cue announces."""
    return tokenise(query, spans_of(resources, query, language, names=True)).text


def _about(resources: Resources, found: Classified, situation: str) -> Classified:
    """To be searched for by the name of the situation too: articles call "a payment I did not make" by its name."""
    query = f"{situation.replace('_', ' ')}: {' '.join(found.queries)}"
    return replace(found, queries=(query,), vectors=resources.encoder.embed([query]))


async def _ask_space(resources: Resources, begun: Begun, found: Classified, place: AsyncExitStack) -> Asked:
    """The queries' vectors in the space that was in force when the turn began.

    They may be made outside: what the tenant's own rules find in the queries stays here too, and the turn's place among
    those that compute is another's while it waits.
    """
    space, in_house = begun.thread.embedder_space, settings_of(begun.thread).in_house
    queries = [tokenise(each, begun.redaction.find(each)).text for each in found.queries]
    embedder = resources.embedders.of_space(space) if space is not None else None
    if embedder is None or not embedder.remote or in_house:
        return await ask(resources.embedders, space, queries, in_house=in_house)
    await place.aclose()
    asked = await ask(resources.embedders, space, queries, in_house=in_house)
    await place.enter_async_context(resources.computing.of(begun.ref.tenant_id))
    return asked


async def retrieve(
    resources: Resources, ref: TurnRef, found: Classified, language: str, asked: Asked = NOT_ASKED
) -> list[ScoredPassage]:
    async with resources.database.tenant(ref.tenant_id) as connection:
        audiences = await audiences_in(connection, ref.tenant_id, ref.conversation_id)
        rankings = [
            await search(connection, ref.tenant_id, query, vector, language, audiences, near)
            for query, vector, near in zip(found.queries, found.vectors, asked.for_each(found.queries), strict=True)
        ]
    return interleaved(rankings, PASSAGES)


def _milliseconds(started: float, classified_at: float, screened_at: float) -> dict[str, int]:
    marks = {"intent": classified_at - started, "screening": screened_at - classified_at}
    return {
        name: round(1000 * took) for name, took in {**marks, "retrieval": time.perf_counter() - screened_at}.items()
    }
