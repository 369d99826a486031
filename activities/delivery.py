"""Delivery: the end of a turn, in one transaction. However often it runs, it happens once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, insert, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.forwarding import Begun, begin_duties
from activities.opening import Cause, open_escalation_row, open_tickets
from activities.promises import spoken
from activities.reading import DRAFT, read_thread, settings_of
from activities.resources import Resources
from activities.screening import SECRET_PASTED
from activities.telling import Told, tell
from helios import audit, facts
from helios.crypto import Keys
from helios.facts import Fact
from helios.frames import frame_number, last_of_epoch
from helios.knowledge.visible import FOR_CUSTOMER_IN, IN_FORCE
from helios.rules.policy import Policy, policy_of
from helios.texts import text as say
from schema.steps import Deliver, Delivered, Priority, Understanding
from schema.tables import Analytics
from schema.visibility import shown_channel

# After two answers that did not help, a person is offered without being asked for.
UNHELPFUL_TURNS = 2
REASONS: dict[str, tuple[Priority, str]] = {
    "held": ("P2", "review"),
    "no_generator": ("P2", "general"),
    "not_understood": ("P2", "general"),
}
TURN = text(
    f"""
    SELECT turns.*, EXISTS (
        SELECT FROM messages WHERE tenant_id = :tenant_id AND conversation_id = :conversation_id
        AND turn = :turn AND role = 'customer' AND cardinality(masked) > 0
    ) AS was_masked, EXISTS (
        SELECT FROM jsonb_array_elements(turns.draft -> 'citations') AS cited
        WHERE NOT EXISTS (
            SELECT FROM knowledge_sources AS source JOIN knowledge_versions AS version
              ON version.tenant_id = source.tenant_id AND version.source_id = source.id
            WHERE source.tenant_id = :tenant_id AND source.id = CAST(cited ->> 'source_id' AS uuid)
              AND version.version = CAST(cited ->> 'version' AS int) AND {FOR_CUSTOMER_IN} AND {IN_FORCE})
    ) AS rests_on_withdrawn
    FROM turns WHERE tenant_id = :tenant_id AND conversation_id = :conversation_id AND number = :turn
    """  # noqa: S608 - constants of ours
)
END_TURN = text(
    """
    WITH turn AS (
        UPDATE turns SET outcome = :outcome, completed_at = now(), record = jsonb_set(:record, '{step_ms,delivery}',
            to_jsonb(round(1000 * extract(epoch FROM clock_timestamp() - transaction_timestamp()))))
        WHERE tenant_id = :tenant_id AND conversation_id = :conversation_id AND number = :turn
    )
    UPDATE threads SET completed_turn = :turn, unhelpful_turns = :unhelpful, status = :status,
        escalation_id = coalesce(:escalation_id, escalation_id)
    WHERE tenant_id = :tenant_id AND id = :conversation_id
    """
).bindparams(bindparam("record", type_=JSONB))


async def deliver(resources: Resources, work: Deliver) -> Delivered:
    ref = work.ref
    keys = await resources.keyring.conversation(ref.tenant_id, ref.conversation_id)
    released = await _released_so_far(resources, keys, work)
    if work.forwarded and work.understanding.verdict == "escalate":
        work = replace(work, situation=work.understanding.situation)
    async with resources.database.tenant(ref.tenant_id) as connection:
        thread = await read_thread(connection, ref, lock=True)
        turn = (await connection.execute(TURN, _where(work))).one()
        if thread.completed_turn >= ref.turn:
            return Delivered(turn.outcome, _uuid(turn.record.get("escalation_id")), raised=_may_press(work))
        if work.outcome == "answered" and turn.rests_on_withdrawn:
            # Withdrawn while the answer was being written: what had been released is taken back, a person looks.
            work = replace(work, outcome="held", reason="knowledge_withdrawn")
        delivered, seq = await _end_turn(connection, keys, work, thread, turn, released)
    await resources.frames.announce(ref.tenant_id, ref.conversation_id, seq)
    return delivered


async def _released_so_far(resources: Resources, keys: Keys, work: Deliver) -> tuple[str, int]:
    """What a stopped turn's customer has read, where the worker that wrote it is gone: the frames know."""
    if work.outcome != "stopped":
        return "", 0
    async with resources.database.tenant(work.ref.tenant_id) as connection:
        thread = await read_thread(connection, work.ref)
        turn = (await connection.execute(TURN, _where(work))).one()
    first = frame_number(thread.epoch - turn.attempt + 1, 0)
    frames = await resources.frames.between(keys, work.ref.conversation_id, first - 1, last_of_epoch(thread.epoch))
    # The newest attempt that was heard of: one that began and died before its first word took nothing back.
    words = [frame for frame in frames if frame.attempt == frames[-1].attempt]
    whole = bool(words) and words[0].seq <= 1 and len(words) == words[-1].seq - words[0].seq + 1
    return ("".join(frame.text for frame in words), words[-1].number) if whole else ("", 0)


async def _end_turn(
    connection: AsyncConnection, keys: Keys, work: Deliver, thread: Any, turn: Any, released: tuple[str, int]
) -> tuple[Delivered, int]:
    ref, found = work.ref, work.understanding
    told: list[Fact] = []
    policy = await policy_of(connection, ref.tenant_id, found.policy_version)
    if turn.was_masked:
        warning = policy.text(SECRET_PASTED, found.language) or say("secret_masked", found.language)
        notice = Told(ref.turn, "system", f"notice:{ref.turn}:masked", warning, found.language)
        told += (await tell(connection, keys, ref.conversation_id, notice))[1]
    escalation, case = await _hand_over(connection, keys, policy, work, thread, turn)
    begun = await begin_duties(connection, policy, work, thread, turn) if work.forwarded else Begun()
    told += begun.facts
    if begun.due_at is not None:
        words = _our_text(policy, work, **_filled_in(thread, found, begun.due_at, begun.ticket_id))
        notice = Told(ref.turn, "system", f"notice:{ref.turn}:situation", words, found.language)
        told += (await tell(connection, keys, ref.conversation_id, notice))[1]
    told.append(facts.stage(ref.turn, "delivery", _last_frame(turn)))
    reply = None if work.forwarded else _reply(keys, policy, work, thread, turn, released, escalation, case)
    if reply is not None:
        told += (await tell(connection, keys, ref.conversation_id, reply))[1]
    unhelpful = 0 if work.supported or work.outcome != "answered" else thread.unhelpful_turns + 1
    if unhelpful >= UNHELPFUL_TURNS:
        offer = Told(ref.turn, "system", f"notice:{ref.turn}:offer", say("offer_human", found.language), found.language)
        told += (await tell(connection, keys, ref.conversation_id, offer))[1]
    escalation_id = escalation.id if escalation is not None else (thread.escalation_id if work.forwarded else None)
    if escalation is not None:
        told.append(Fact("escalation.opened", f"opened:{escalation.id}", escalation.for_customer()))
        told.append(Fact("conversation.updated", f"updated:opened:{escalation.id}", {"status": "waiting_human"}))
    ended = {"turn": ref.turn, "outcome": work.outcome}
    told.append(
        Fact(
            "turn.completed", f"turn:{ref.turn}", {**ended, "escalation_id": escalation_id} if escalation_id else ended
        )
    )
    seq = await facts.append(connection, ref.tenant_id, ref.conversation_id, told)
    status = "waiting_human" if escalation is not None else thread.status
    await _close_books(connection, policy, work, thread, turn, escalation_id, unhelpful, status)
    # Also where it was open before: a worker that died may not have started its workflow.
    return Delivered(work.outcome, escalation_id, unhelpful >= UNHELPFUL_TURNS, _may_press(work)), seq


def _may_press(work: Deliver) -> bool:
    """The same when it is delivered again, after the row has been changed."""
    return work.forwarded and work.situation is not None


async def _hand_over(
    connection: AsyncConnection, keys: Keys, policy: Policy, work: Deliver, thread: Any, turn: Any
) -> tuple[Any, UUID | None]:
    """Opens the escalation and the tickets that the outcome demands: (escalation or None, a ticket's id or None)."""
    if work.forwarded or work.outcome not in ("escalated", "held"):
        return None, None
    number = work.situation
    listed = policy.situation(number) if number is not None else None
    priority, queue = REASONS.get("held" if work.outcome == "held" else work.reason, ("P2", "general"))
    if listed is not None and work.outcome == "escalated":
        priority, queue = listed.priority, listed.queue
    ticket_id = await open_tickets(connection, work, policy, thread, turn.received_at)
    cause = Cause(f"turn:{work.ref.turn}", work.ref.turn, work.reason or work.outcome, priority, queue, number)
    draft = keys.open_text(turn.draft_ct, DRAFT, (work.ref.conversation_id, work.ref.turn)) if turn.draft_ct else None
    citations = turn.draft["citations"] if turn.draft else []
    opened = await open_escalation_row(connection, keys, thread, cause, work.understanding, draft, citations, listed)
    return opened, ticket_id


def _reply(
    keys: Keys,
    policy: Policy,
    work: Deliver,
    thread: Any,
    turn: Any,
    released: tuple[str, int],
    escalation: Any,
    case: UUID | None,
) -> Told:
    ref, found = work.ref, work.understanding
    streamed = _last_frame(turn)
    # Attempts that left no draft have released words too.
    every_frame = last_of_epoch(thread.epoch) if turn.attempt else None
    common: dict[str, Any] = {
        "turn": ref.turn,
        "role": "assistant",
        "origin": f"ai:{ref.turn}",
        "language": found.language,
        "id": turn.reply_id,
        "intent": {"name": found.intent, "confidence": found.intent_confidence},
        "outcome": work.outcome,
    }
    if work.outcome == "answered" or (work.outcome == "stopped" and turn.draft is not None):
        content = keys.open_text(turn.draft_ct, DRAFT, (ref.conversation_id, ref.turn))
        attempt = turn.draft["attempt"]
        return Told(
            **common,
            content=content,
            # Of an answer that was stopped the words stay, and cite nothing that was withdrawn meanwhile.
            citations=[] if turn.rests_on_withdrawn else turn.draft["citations"],
            # What says that it does not know is surely no right answer.
            confidence=turn.draft.get("confidence") if work.supported else 0.0,
            attempt=attempt,
            last_frame=streamed or 0,
            taken_back=every_frame,
        )
    if work.outcome == "stopped":
        # No frame left: what the customer still sees of the attempts is taken back.
        attempt = turn.attempt if released[1] else turn.attempt + 1
        return Told(**common, content=released[0], attempt=attempt, last_frame=released[1], taken_back=every_frame)
    due_at = escalation.due_at if escalation is not None else None
    content = _our_text(policy, work, **_filled_in(thread, found, due_at, case))
    return Told(**common, content=content, attempt=turn.attempt + 1, taken_back=every_frame)


def _filled_in(thread: Any, found: Understanding, due_at: datetime | None, case: UUID | None) -> dict[str, str]:
    """What the bank's texts leave open."""
    due = spoken(due_at, found.language, settings_of(thread).hours) if due_at is not None else ""
    return {"due": due, "bank": thread.tenant_name, "case": str(case or "")[-8:].upper()}


def _our_text(policy: Policy, work: Deliver, **values: str) -> str:
    """Which of the bank's own texts the customer reads, or of ours where it has none."""
    language = work.understanding.language
    if work.outcome == "held":
        return say("held_for_review", language, **values)
    listed = policy.situation(work.situation) if work.situation is not None else None
    if listed is not None and (work.outcome == "escalated" or listed.action == "refuse"):
        own = policy.text(listed.number, language)
        return own.format(**values).strip() if own else say(listed.template, language, **values)
    return say("unavailable" if work.outcome == "escalated" else work.outcome, language, **values)


async def _close_books(
    connection: AsyncConnection,
    policy: Policy,
    work: Deliver,
    thread: Any,
    turn: Any,
    escalation_id: UUID | None,
    unhelpful: int,
    status: str,
) -> None:
    """Provenance, the conversation's counters, analytics and the audit event."""
    found, draft = work.understanding, turn.draft or {}
    record = {
        "outcome": work.outcome,
        "reason": work.reason,
        "language": found.language,
        "intent": {"name": found.intent, "confidence": found.intent_confidence},
        "situations": found.situations,
        "situation": work.situation,
        "retrieval": {"embedder": found.embedder, "failure": found.embedder_failure or None},
        "passages": [{"chunk_id": str(each.chunk_id), "score": each.score} for each in found.passages],
        "policy_version": policy.version,
        "policy_digest": policy.digest,
        "redaction_version": found.redaction_version,
        "intents_version": found.intents_version,
        "step_ms": found.step_ms,
        "escalation_id": str(escalation_id) if escalation_id else None,
    }
    ended = {"outcome": work.outcome, "unhelpful": unhelpful, "status": status, "escalation_id": escalation_id}
    await connection.execute(END_TURN, {**_where(work), **ended, "record": record})
    await connection.execute(
        insert(Analytics).values(
            tenant_id=work.ref.tenant_id,
            turn_id=turn.reply_id,
            # Of free text only what names a channel: figures stay when a customer is erased.
            channel=shown_channel(thread.channel) if thread.channel else None,
            language=found.language,
            intent=found.intent,
            outcome=work.outcome,
            situation=work.situation,
            generator=draft.get("generator"),
            model=draft.get("model"),
            latency_ms=round(1000 * (datetime.now(UTC) - turn.received_at).total_seconds()),
            input_tokens=draft.get("input_tokens", 0),
            output_tokens=draft.get("output_tokens", 0),
            cost_micro_usd=draft.get("cost_micro_usd"),
        )
    )
    await audit.record(
        connection,
        work.ref.tenant_id,
        "turn.completed",
        actor=("system", None),
        subject=("conversation", work.ref.conversation_id),
        detail={"turn": work.ref.turn, "outcome": work.outcome, "situation": work.situation,
                "prompt_hash": draft.get("prompt_hash"), "model": draft.get("model"), "policy": found.policy_version},
    )  # fmt: skip


def _last_frame(turn: Any) -> int | None:
    return (turn.draft or {}).get("last_frame") or None


def _where(work: Deliver) -> dict[str, Any]:
    ref = work.ref
    return {"tenant_id": ref.tenant_id, "conversation_id": ref.conversation_id, "turn": ref.turn}


def _uuid(value: str | None) -> UUID | None:
    return UUID(value) if value else None
