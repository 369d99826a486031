"""A correction: the customer is told that an answer of theirs was withdrawn, or a person takes it up. Once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.escalation import hand_over
from activities.opening import Cause, open_escalation_row
from activities.promises import spoken, spoken_day
from activities.reading import read_thread, settings_of
from activities.resources import Resources
from activities.review import Standard, review_written
from activities.telling import Told, tell
from helios import audit, facts
from helios.crypto import Keys
from helios.detection.output import Context
from helios.knowledge.follow_ups import BY_PERSON, because_of
from helios.rules.policy import Policy, policy_of
from helios.rules.redaction import redaction_of
from helios.texts import text as say
from schema.follow_ups import CorrectConversation, Corrected

LEGAL = frozenset({"legal_hold", "no_contact"})
DAYS_MOST = 3
"""As many dates are named to the customer, the newest."""
ASKED = text(
    """
    SELECT asked.*, version.title FROM follow_up_conversations AS asked
    JOIN knowledge_versions AS version USING (tenant_id, source_id, version)
    WHERE asked.tenant_id = :tenant_id AND asked.source_id = :source_id AND asked.version = :version
      AND asked.conversation_id = :conversation_id FOR UPDATE OF asked
    """
)
ANSWERS = text(
    """
    SELECT messages.turn, messages.language, messages.created_at FROM citations
    JOIN messages ON messages.tenant_id = citations.tenant_id AND messages.id = citations.message_id
    WHERE citations.tenant_id = :tenant_id AND citations.source_id = :source_id AND citations.version = :version
      AND messages.conversation_id = :conversation_id
    ORDER BY messages.created_at DESC, messages.id DESC
    """
)
DONE = text(
    """
    UPDATE follow_up_conversations SET status = :status, because = :because, message_id = :message_id,
        escalation_id = :escalation_id, done_at = now()
    WHERE tenant_id = :tenant_id AND source_id = :source_id AND version = :version
      AND conversation_id = :conversation_id
    """
)


async def correct_conversation(resources: Resources, work: CorrectConversation) -> Corrected:
    ref = work.ref
    keys = await resources.keyring.conversation(ref.tenant_id, ref.conversation_id)
    where = {
        **{"tenant_id": ref.tenant_id, "conversation_id": ref.conversation_id},
        **{"source_id": work.correction.source_id, "version": work.correction.version},
    }
    async with resources.database.tenant(ref.tenant_id) as connection:
        thread = await read_thread(connection, ref, lock=True)
        asked = (await connection.execute(ASKED, where)).one_or_none()
        if asked is None:
            return Corrected("left_out")
        seq = None
        if asked.status == "pending":
            seq = await _correct(connection, keys, thread, asked)
            asked = (await connection.execute(ASKED, where)).one()
            thread = await read_thread(connection, ref)
    if seq is not None:
        await resources.frames.announce(ref.tenant_id, ref.conversation_id, seq)
    # Also where it was done before: a worker that died may not have started the escalation's workflow.
    waits = thread.status == "waiting_human" and thread.escalation_id == asked.escalation_id
    return Corrected(asked.status, asked.escalation_id, waits, thread.status == "closed")


async def _correct(connection: AsyncConnection, keys: Keys, thread: Any, asked: Any) -> int | None:
    """Does it, and notes what was done. The conversation's newest fact, where its stream tells of it."""
    settings = settings_of(thread)
    policy = await policy_of(connection, thread.tenant_id, thread.policy_version)
    meant, because = await because_of(connection, thread.tenant_id, thread.id, policy, settings)
    answers = (await connection.execute(ANSWERS, _where(asked))).all()
    if not meant or not answers:
        await _note(connection, asked, status="left_out")
        return None
    language = answers[0].language or thread.language or "en"
    if because is None:
        words = say("correction", language, **_filled_in(thread, asked, answers, language))
        passed = await _checked(connection, thread, policy, language, words)
        if passed is not None:
            told = Told(answers[0].turn, "system", f"correction:{_name(asked)}", passed, language)
            message_id, heard = await tell(connection, keys, thread.id, told)
            await _note(connection, asked, status="told", message_id=message_id)
            return await facts.append(connection, thread.tenant_id, thread.id, heard)
        because = "not_passed"
    return await _ask_person(connection, keys, thread, asked, answers, because, language)


async def _ask_person(
    connection: AsyncConnection,
    keys: Keys,
    thread: Any,
    asked: Any,
    answers: Sequence[Any],
    because: str,
    language: str,
) -> int | None:
    """Opens the escalation. The customer hears of it only where the bank could as well have sent a message."""
    turns = ", ".join(str(turn) for turn in sorted({each.turn for each in answers}))
    about = (
        f'Version {asked.version} of "{asked.title}" was withdrawn; answers in turn {turns} rest on it. '
        f"Yours to tell: {BY_PERSON[because]}."
    )
    queue = "legal" if because in LEGAL else "general"
    cause = Cause(f"correction:{_name(asked)}", answers[0].turn, "knowledge_withdrawn", "P3", queue, about=about)
    opened = await open_escalation_row(connection, keys, thread, cause, None)
    await _note(connection, asked, status="person", because=because, escalation_id=opened.id)
    if because != "policy" or thread.status != "active":
        return None
    due = spoken(opened.due_at, language, settings_of(thread).hours)
    words = say("correction_by_person", language, due=due, **_filled_in(thread, asked, answers, language))
    notice = Told(answers[0].turn, "system", f"notice:{cause.key}", words, language)
    return await hand_over(connection, keys, thread, opened, notice)


def _filled_in(thread: Any, asked: Any, answers: Sequence[Any], language: str) -> dict[str, str]:
    hours = settings_of(thread).hours
    days = list(dict.fromkeys(spoken_day(each.created_at, language, hours) for each in answers))[:DAYS_MOST]
    return {"days": "; ".join(reversed(days)), "title": asked.title, "version": str(asked.version)}


async def _checked(connection: AsyncConnection, thread: Any, policy: Policy, language: str, words: str) -> str | None:
    """As it may be sent. A title is an editor's: it passes what every text passes that a customer reads."""
    context = Context(passages=(words,), allowed_link_domains=settings_of(thread).link_domains, language=language)
    redaction = await redaction_of(connection, thread.tenant_id, thread.redaction_version)
    reviewed = review_written(words, Standard(context, language, 0, policy, redaction))
    return reviewed.text if reviewed.action == "release" else None


async def _note(connection: AsyncConnection, asked: Any, **done: Any) -> None:
    """What became of it, with its audit event."""
    outcome = {"because": None, "message_id": None, "escalation_id": None, **done}
    await connection.execute(DONE, {**_where(asked), **outcome})
    ids = {name: str(outcome[name]) for name in ("message_id", "escalation_id") if outcome[name] is not None}
    await audit.record(
        connection, asked.tenant_id, "conversation.corrected", actor=("system", None),
        subject=("conversation", asked.conversation_id),
        detail={"source_id": str(asked.source_id), "version": asked.version, "status": outcome["status"],
                "because": outcome["because"], "follow_up_id": str(asked.follow_up_id), **ids},
    )  # fmt: skip


def _name(asked: Any) -> str:
    return f"{asked.source_id}:{asked.version}"


def _where(asked: Any) -> dict[str, Any]:
    names = ("tenant_id", "conversation_id", "source_id", "version")
    return {name: getattr(asked, name) for name in names}
