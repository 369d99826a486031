"""Generation: a model writes, the gate checks, and what passed goes to the customer window by window."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities import cached_answers
from activities.answer import Answer, draft_record, is_worth_keeping
from activities.checking import check_held, check_piece, check_rest, check_whole
from activities.confidence import asked_back, is_unsure, looked_into
from activities.poisoning import without_instructions
from activities.prompting import Asked, prepare
from activities.reading import DRAFT, question_of, read_messages, read_thread, settings_of
from activities.resources import Resources
from activities.review import Gate, Reviewed
from helios import facts
from helios.crypto import Keys
from helios.frames import Frame, Release, frame_number
from helios.knowledge.retrieval import load_passages
from helios.llm.base import Finished, Generator, GeneratorError, TextDelta
from helios.rules.policy import policy_of
from helios.rules.redaction import Applied, redaction_of
from schema.steps import Generate, Generated

ESCALATION_DRAFT = "escalations.draft_ct"
TRIES_PER_GENERATOR = 2
STOP_LOOK_S = 0.25

FIND_DRAFT = text(
    "SELECT draft, reply_id FROM turns "
    "WHERE tenant_id = :tenant_id AND conversation_id = :conversation_id AND number = :turn"
)
NEXT_ATTEMPT = text(
    """
    WITH thread AS (
        UPDATE threads SET epoch = epoch + 1 WHERE tenant_id = :tenant_id AND id = :conversation_id RETURNING epoch
    )
    UPDATE turns SET attempt = attempt + 1 FROM thread
    WHERE tenant_id = :tenant_id AND conversation_id = :conversation_id AND number = :turn RETURNING epoch, attempt
    """
)
SAVE_DRAFT = text(
    "UPDATE turns SET draft_ct = :draft_ct, draft = :draft "
    "WHERE tenant_id = :tenant_id AND conversation_id = :conversation_id AND number = :turn AND attempt = :attempt "
    "AND outcome IS NULL"
).bindparams(bindparam("draft", type_=JSONB))
SAVE_ESCALATION_DRAFT = text(
    "UPDATE escalations SET draft_ct = :draft_ct, draft_citations = :citations "
    "WHERE tenant_id = :tenant_id AND id = :id AND draft_ct IS NULL AND closed_at IS NULL"
).bindparams(bindparam("citations", type_=JSONB))


async def generate(resources: Resources, work: Generate) -> Generated:
    keys = await resources.keyring.conversation(work.ref.tenant_id, work.ref.conversation_id)
    async with resources.database.tenant(work.ref.tenant_id) as connection:
        answer = await _begin(resources, connection, keys, work)
    if isinstance(answer, Generated):
        return answer
    if answer.streams:
        await resources.frames.announce(work.ref.tenant_id, work.ref.conversation_id, answer.after_fact)
    try:
        await _write(resources, keys, work, answer)
    except GeneratorError as error:
        raise _as_failure(error) from None
    except asyncio.CancelledError:
        # Also a run that was given to another worker, or ended by ops, cancels its steps: the flag tells who it was.
        ref = work.ref
        if not answer.stopped and not await resources.frames.is_stopped(ref.tenant_id, ref.conversation_id, ref.turn):
            raise
        answer.stopped = True
    return await asyncio.shield(_finish(resources, keys, work, answer))


async def _begin(resources: Resources, connection: AsyncConnection, keys: Keys, work: Generate) -> Answer | Generated:
    """Counts the attempt and reads what the model may know. An answer that an earlier attempt finished is kept."""
    ref, found = work.ref, work.understanding
    where = {"tenant_id": ref.tenant_id, "conversation_id": ref.conversation_id, "turn": ref.turn}
    row = (await connection.execute(FIND_DRAFT, where)).one()
    for_customer = work.escalation_id is None
    if for_customer and row.draft is not None:
        return _generated(row.draft)
    thread = await read_thread(connection, ref, lock=for_customer)
    if for_customer and thread.completed_turn >= ref.turn:
        raise ApplicationError("the turn has ended", type="superseded", non_retryable=True)
    epoch = attempt = after_fact = 0
    if for_customer:
        stages = [facts.stage(ref.turn, name) for name in ("intent", "retrieval", "generation")]
        after_fact = await facts.append(connection, ref.tenant_id, ref.conversation_id, stages)
        epoch, attempt = (await connection.execute(NEXT_ATTEMPT, where)).one()
    loaded = await load_passages(connection, ref.tenant_id, ref.conversation_id, found.passages)
    passages, refused = await without_instructions(resources, loaded)
    messages = await read_messages(connection, keys, ref)
    past = [message for message in messages if message.turn < ref.turn]
    question = question_of(messages, ref.turn)
    if not for_customer:
        question = f"What do we do about {found.reason.replace('_', ' ')}? {question}"
    redaction = await redaction_of(connection, ref.tenant_id, found.redaction_version)
    policy = await policy_of(connection, ref.tenant_id, found.policy_version)
    settings = settings_of(thread)
    asked = Asked(
        thread.tenant_name,
        found.language,
        question,
        [("customer" if message.role == "customer" else "assistant", message.content) for message in past],
        passages,
        tuple(found.situations),
        found.generators,
        settings.link_domains,
    )
    prompt, standard = await prepare(resources, asked, policy, Applied(redaction=redaction, keys=keys))
    masked = any(message.masked for message in messages)
    may_share = (
        for_customer
        and not refused
        and cached_answers.allowed(settings.semantic_cache, found, prompt, question, masked)
    )
    return Answer(
        ref, row.reply_id, attempt, epoch, prompt, Gate(standard), after_fact, for_customer,
        confidence_least=settings.confidence_least if for_customer else 0.0,
        cache=settings.semantic_cache if may_share else None,
        refused_passages=refused,
    )  # fmt: skip


async def _write(resources: Resources, keys: Keys, work: Generate, answer: Answer) -> None:
    generator = resources.generators[work.generator]
    answer.prompt, answer.confidence = await looked_into(resources, answer.prompt)
    if is_unsure(answer.confidence, answer.confidence_least):
        generator, answer.prompt = asked_back(answer.prompt)
    stream = await _source(resources, keys, work, answer, generator)
    if answer.streams and answer.attempt > 1:
        await _append(resources, keys, answer, "reset", "")
    watching = None
    if answer.streams and not generator.local:
        writer = asyncio.current_task()
        assert writer is not None
        watching = asyncio.create_task(_watch_for_stop(resources, answer, writer))
    try:
        answer.listening = True
        async for piece in stream:
            answer.listening = False
            if isinstance(piece, Finished):
                answer.finished = piece
            else:
                await _take(resources, keys, answer, piece)
            if answer.stopped or (answer.refusal is not None and answer.refusal.action == "block"):
                break
            answer.listening = True
    finally:
        answer.listening = False
        if watching is not None:
            watching.cancel()
        await stream.aclose()  # type: ignore[attr-defined]
    if not answer.stopped and answer.refusal is None:
        await _release(resources, keys, answer, await answer.timed(check_rest(answer.gate)))
    if not answer.stopped:
        await _look_again(answer)


async def _source(
    resources: Resources, keys: Keys, work: Generate, answer: Answer, generator: Generator
) -> AsyncIterator[TextDelta | Finished]:
    """Where the words come from: the generator, or the semantic cache."""
    if not generator.local and answer.cache is not None:
        redaction_version = work.understanding.redaction_version
        answer.shared = await cached_answers.look_up(
            resources, keys, answer.ref, answer.cache, work.generator, answer.prompt, answer.gate.standard,
            redaction_version,
        )  # fmt: skip
        if answer.shared is not None and answer.shared.hit is not None:
            return cached_answers.again(answer.shared.hit)
    return generator.stream(answer.prompt)


async def _watch_for_stop(resources: Resources, answer: Answer, writer: asyncio.Task[Any]) -> None:
    """Ends the wait for a provider that is silent: only frames ask for the flag, and there are none."""
    ref = answer.ref
    while True:
        frames = answer.frames
        await asyncio.sleep(STOP_LOOK_S)
        if answer.frames != frames:
            continue
        stopped = await resources.frames.is_stopped(ref.tenant_id, ref.conversation_id, ref.turn)
        if stopped and answer.listening:
            answer.stopped = True
            writer.cancel()
            return


async def _take(resources: Resources, keys: Keys, answer: Answer, piece: TextDelta) -> None:
    if answer.first_token_ms is None:
        answer.first_token_ms = round(1000 * (time.perf_counter() - answer.started))
    answer.written += piece.text
    if answer.refusal is not None:
        # Held: nothing more is released, but the person who decides gets the whole draft.
        answer.withheld += piece.text
        return
    await _release(resources, keys, answer, await answer.timed(check_piece(answer.gate, piece.text)))


async def _release(resources: Resources, keys: Keys, answer: Answer, windows: list[Reviewed]) -> None:
    for window in windows:
        if window.action != "release":
            answer.refusal = window
            answer.withheld = answer.released + window.text + answer.gate.rest()
            return
        if answer.streams and window.text:
            state = await _append(resources, keys, answer, "delta", window.text)
            if state is Release.STOPPED:
                answer.stopped = True
                return
            if state is Release.SUPERSEDED:
                raise ApplicationError("a newer attempt writes this answer", type="superseded")
        answer.released += window.text


async def _append(
    resources: Resources, keys: Keys, answer: Answer, kind: Literal["delta", "reset"], words: str
) -> Release:
    # n = 0 is the reset of a later attempt, so that the first words are n = 1 in every attempt.
    n = 0 if kind == "reset" else answer.frames + 1
    number = frame_number(answer.epoch, n)
    frame = Frame(number, kind, answer.reply_id, answer.ref.turn, answer.attempt, n, words, answer.after_fact)
    # While Valkey hangs each try takes its timeout: once is enough.
    state = Release.LOST if answer.lost else await resources.frames.append(keys, answer.ref.conversation_id, frame)
    answer.lost = state is Release.LOST
    if state in (Release.RELEASED, Release.LOST):
        answer.frames = n
    return state


async def _look_again(answer: Answer) -> None:
    if answer.refusal is None:
        await _look_at_the_whole(answer)
    if answer.refusal is not None:
        await _look_at_the_held(answer, answer.refusal)


async def _look_at_the_whole(answer: Answer) -> None:
    reviewed = await answer.timed(check_whole(answer.released, answer.gate.standard))
    if reviewed.action != "release":
        answer.refusal = reviewed
        answer.withheld = answer.released


async def _look_at_the_held(answer: Answer, first: Reviewed) -> None:
    """What a person is asked to approve is what would be sent: cleaned, and blocked where any part of it must be."""
    reviewed = await answer.timed(check_held(answer.withheld, answer.gate.standard))
    answer.withheld = reviewed.text
    answer.gate.redacted.update(reviewed.redacted)
    reasons = tuple(dict.fromkeys((*first.reasons, *reviewed.reasons)))
    worse = reviewed if reviewed.action == "block" and first.action == "hold" else first
    answer.refusal = replace(worse, reasons=reasons)


async def _finish(resources: Resources, keys: Keys, work: Generate, answer: Answer) -> Generated:
    """Keeps the draft, so that delivery has it and a later attempt finds the work done."""
    draft = draft_record(keys, work, answer)
    ref = work.ref
    words = answer.withheld if answer.refusal is not None else answer.released
    async with resources.database.tenant(ref.tenant_id) as connection:
        if work.escalation_id is not None:
            if draft["status"] == "blocked":
                # Not even a person may send it: they begin with an empty page.
                return _generated(draft)
            await connection.execute(
                SAVE_ESCALATION_DRAFT,
                {
                    "tenant_id": ref.tenant_id,
                    "id": work.escalation_id,
                    "draft_ct": keys.seal_text(words, ESCALATION_DRAFT, work.escalation_id),
                    "citations": draft["citations"],
                },
            )
            return _generated(draft)
        saved = await connection.execute(
            SAVE_DRAFT,
            {
                "tenant_id": ref.tenant_id,
                "conversation_id": ref.conversation_id,
                "turn": ref.turn,
                "attempt": answer.attempt,
                "draft_ct": keys.seal_text(words, DRAFT, (ref.conversation_id, ref.turn)),
                "draft": draft,
            },
        )
        if saved.rowcount == 0:
            raise ApplicationError("a newer attempt writes this answer", type="superseded")
        review = facts.stage(ref.turn, "review", answer.last_frame or None)
        seq = await facts.append(connection, ref.tenant_id, ref.conversation_id, [review])
    await resources.frames.announce(ref.tenant_id, ref.conversation_id, seq)
    if answer.shared is not None:
        await cached_answers.count(resources, answer.shared)
        if is_worth_keeping(answer):
            await cached_answers.keep(resources, keys, ref, answer.shared, words, answer.prompt.passages)
    return _generated(draft)


def _generated(draft: dict[str, Any]) -> Generated:
    return Generated(draft["status"], draft["supported"], draft["situation"], draft["reasons"])


def _as_failure(error: GeneratorError) -> ApplicationError:
    """How Temporal tries again: after the time that the provider named, twice at most, then the next generator."""
    again = error.retryable and activity.info().attempt < TRIES_PER_GENERATOR
    wait = timedelta(seconds=min(error.retry_after_s, 20.0)) if error.retry_after_s else None
    return ApplicationError(
        f"generator failed: {error.kind}", type=error.kind, non_retryable=not again, next_retry_delay=wait
    )
