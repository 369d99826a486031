"""What a person does with a conversation, step by step. Each step is one transaction and is applied once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NoReturn
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio.exceptions import ApplicationError

from activities.deciding import deliver_decision
from activities.opening import Cause, Opened, open_escalation_row
from activities.promises import deadlines, spoken
from activities.reading import read_thread, settings_of
from activities.resources import Resources
from activities.telling import Told, tell
from helios import audit, facts
from helios.crypto import Keys
from helios.facts import Fact
from helios.texts import text as say
from schema.steps import (
    CLOSING_ACTIONS,
    DRAFT_ACTIONS,
    ApplyClaim,
    ApplyDeadline,
    ApplyDecision,
    ConversationRef,
    EscalationOutcome,
    EscalationRef,
    OpenEscalation,
)
from schema.tables import Decision

OPEN_STATES = ("active",)
# A correction that a person makes may stand beside the conversation: then it does not wait for it, and its customer
# hears of it by what that person writes, and by nothing else.
ESCALATION = text(
    """
    SELECT escalations.*, cause LIKE 'correction:%' AND NOT EXISTS (
        SELECT FROM threads WHERE threads.tenant_id = :tenant_id AND threads.id = conversation_id
          AND threads.escalation_id = escalations.id) AS unheard
    FROM escalations WHERE tenant_id = :tenant_id AND id = :escalation_id FOR UPDATE
    """
)
SET_CLAIM = text(
    "UPDATE escalations SET status = :status, claimed_by = :agent_id, claimed_at = :claimed_at "
    "WHERE tenant_id = :tenant_id AND id = :escalation_id"
)
SET_STATUS = text(
    "UPDATE escalations SET status = :status, decision_id = coalesce(:decision_id, decision_id), "
    "decided_at = coalesce(decided_at, :decided_at), closed_at = :closed_at "
    "WHERE tenant_id = :tenant_id AND id = :escalation_id"
)
SET_BREACHED = text(
    "UPDATE escalations SET breached_at = now(), queue = 'supervisor' "
    "WHERE tenant_id = :tenant_id AND id = :escalation_id"
)
SET_THREAD_STATUS = text(
    "UPDATE threads SET status = :status, unhelpful_turns = 0 "
    "WHERE tenant_id = :tenant_id AND id = :conversation_id AND status <> 'closed'"
)
WARNED = text(
    "SELECT EXISTS (SELECT FROM conversation_events WHERE tenant_id = :tenant_id "
    "AND conversation_id = :conversation_id AND dedupe_key = :key)"
)
DECISION = text("SELECT * FROM decisions WHERE tenant_id = :tenant_id AND id = :id")
DECISION_APPLIED = text(
    "UPDATE decisions SET status = 'applied', applied_at = now(), message_id = :message_id "
    "WHERE tenant_id = :tenant_id AND id = :id"
)


async def open_escalation(resources: Resources, work: OpenEscalation) -> EscalationRef | None:
    """Hands the conversation to a person because somebody asked for one. None where a person has it already."""
    ref = work.ref
    keys = await resources.keyring.conversation(ref.tenant_id, ref.conversation_id)
    async with resources.database.tenant(ref.tenant_id) as connection:
        thread = await read_thread(connection, ref, lock=True)
        where = {"tenant_id": ref.tenant_id, "cause": f"request:{work.request_id}", "conversation": ref.conversation_id}
        known = await connection.execute(
            text("SELECT id FROM escalations WHERE tenant_id = :tenant_id AND conversation_id = :conversation "
                 "AND cause = :cause"), where)  # fmt: skip
        if (escalation_id := known.scalar_one_or_none()) is not None:
            return EscalationRef(ref.tenant_id, escalation_id)
        if thread.status not in OPEN_STATES:
            return None
        requester = await connection.execute(
            text("SELECT id FROM users WHERE tenant_id = :tenant_id AND id = :id"),
            {"tenant_id": ref.tenant_id, "id": work.requested_by},
        )
        staff = requester.scalar_one_or_none()
        cause = Cause(
            str(where["cause"]),
            max(thread.completed_turn, 1),
            "requested",
            "P3",
            "general",
            requested_by=staff,
            asked_by=("customer" if staff is None else "user", work.requested_by),
        )
        opened = await open_escalation_row(connection, keys, thread, cause, None)
        language = thread.language or "en"
        due = spoken(opened.due_at, language, settings_of(thread).hours)
        notice = Told(
            thread.completed_turn, "system", f"notice:{cause.key}", say("requested", language, due=due), language
        )
        seq = await hand_over(connection, keys, thread, opened, notice)
    await resources.frames.announce(ref.tenant_id, ref.conversation_id, seq)
    return EscalationRef(ref.tenant_id, opened.id)


async def hand_over(connection: AsyncConnection, keys: Keys, thread: Any, opened: Opened, notice: Told) -> int:
    """The conversation waits for this escalation from here on, and its customer is told. Its newest fact."""
    ref = ConversationRef(thread.tenant_id, thread.id)
    told = (await tell(connection, keys, thread.id, notice))[1]
    told.append(Fact("escalation.opened", f"opened:{opened.id}", opened.for_customer()))
    await connection.execute(
        text("UPDATE threads SET escalation_id = :id WHERE tenant_id = :tenant_id AND id = :conversation"),
        {"tenant_id": ref.tenant_id, "conversation": ref.conversation_id, "id": opened.id},
    )
    told += await _set_conversation(connection, ref, "waiting_human", f"opened:{opened.id}")
    return await facts.append(connection, ref.tenant_id, ref.conversation_id, told)


async def load_escalation(resources: Resources, ref: EscalationRef) -> EscalationOutcome:
    async with resources.database.tenant(ref.tenant_id) as connection:
        return _outcome(await _read(connection, ref))


async def apply_claim(resources: Resources, work: ApplyClaim) -> EscalationOutcome:
    """Claim, assign or release. An escalation that somebody else holds is not taken from them, but by a supervisor."""
    claim, ref = work.claim, work.ref
    agent_id = None if work.release else (claim.agent_id or claim.actor_id)
    async with resources.database.tenant(ref.tenant_id) as connection:
        row = await _read(connection, ref)
        if row.claimed_by == agent_id:
            return _outcome(row)
        if row.claimed_by not in (None, claim.actor_id) and not claim.by_supervisor:
            _refuse("claimed_by_another", "another agent holds this escalation")
        if row.status == "closed":
            _refuse("escalation_closed", "this escalation is closed")
        status = row.status if row.status == "decided" else ("open" if agent_id is None else "claimed")
        now = datetime.now(UTC)
        where = {"tenant_id": ref.tenant_id, "escalation_id": ref.escalation_id}
        await connection.execute(
            SET_CLAIM, {**where, "status": status, "agent_id": agent_id, "claimed_at": now if agent_id else None}
        )
        conversation = ConversationRef(ref.tenant_id, row.conversation_id)
        what = "claimed" if agent_id else "released"
        key = f"{what}:{ref.escalation_id}:{now.isoformat()}"
        told: list[Fact] = []
        if not row.unheard:
            told += [Fact("escalation.claimed", key, _for_customer(row, status, agent_id))] if agent_id else []
            waits = "with_agent" if agent_id else "waiting_human"
            told += await _set_conversation(connection, conversation, waits, key)
        seq = await facts.append(connection, ref.tenant_id, row.conversation_id, told)
        await audit.record(
            connection, ref.tenant_id, f"escalation.{what}", actor=("user", claim.actor_id),
            subject=("escalation", ref.escalation_id), detail={"agent_id": str(agent_id) if agent_id else None},
        )  # fmt: skip
        changed = await _read(connection, ref)
    await resources.frames.announce(ref.tenant_id, row.conversation_id, seq)
    return _outcome(changed)


async def apply_decision(resources: Resources, work: ApplyDecision) -> EscalationOutcome:
    """Carries out a decision: what it delivers passes the same checks as what a model wrote."""
    ref, action = work.ref, work.decision.action
    keys = await resources.keyring.escalation(ref.tenant_id, ref.escalation_id)
    async with resources.database.tenant(ref.tenant_id) as connection:
        row = await _read(connection, ref)
        stored = (
            await connection.execute(DECISION, {"tenant_id": ref.tenant_id, "id": work.decision.decision_id})
        ).one_or_none()
        if stored is not None and stored.status == "applied":
            return _outcome(row)
        _refuse_what_may_not_be(work, row)
        if stored is None:
            stored = await _store_ops_decision(connection, work)
        thread = await read_thread(connection, ConversationRef(ref.tenant_id, row.conversation_id), lock=True)
        message_id, told = await deliver_decision(connection, keys, thread, row, stored)
        status, conversation_status = _next_status(row, action)
        told += await _after_decision(connection, work, row, stored, status, conversation_status)
        applied = {"tenant_id": ref.tenant_id, "id": stored.id, "message_id": message_id}
        await connection.execute(DECISION_APPLIED, applied)
        if action == "hand_back" and not row.unheard:
            language = row.language
            notice = Told(row.turn, "system", f"notice:{stored.id}", say("handed_back", language), language)
            told += (await tell(connection, keys, row.conversation_id, notice))[1]
        seq = await facts.append(connection, ref.tenant_id, row.conversation_id, told)
        await audit.record(
            connection, ref.tenant_id, "escalation.decided",
            actor=("ops", work.decision.actor_id) if work.by_ops else ("user", work.decision.actor_id),
            subject=("escalation", ref.escalation_id),
            detail={
                **{"decision_id": str(stored.id), "action": action},
                "message_id": str(message_id) if message_id else None,
            },
        )  # fmt: skip
        changed = await _read(connection, ref)
    await resources.frames.announce(ref.tenant_id, row.conversation_id, seq)
    return _outcome(changed)


async def apply_deadline(resources: Resources, work: ApplyDeadline) -> EscalationOutcome:
    """A warning to the desk; then a supervisor's queue and an honest message to the customer; at last, the end."""
    ref, kind = work.ref, work.deadline.kind
    keys = await resources.keyring.escalation(ref.tenant_id, ref.escalation_id)
    async with resources.database.tenant(ref.tenant_id) as connection:
        row = await _read(connection, ref)
        # The state may have moved on since the timer was set: then there is nothing to warn of.
        expected = deadlines(row.status, row.opened_at, row.due_at, row.breached_at is not None, row.decided_at)
        seq = None
        warned = kind == "warning" and (row.unheard or (await connection.execute(WARNED, _of(ref, row))).scalar_one())
        if any(each.kind == kind for each in expected) and not warned:
            told = await _passed(connection, keys, row, kind)
            seq = await facts.append(connection, ref.tenant_id, row.conversation_id, told)
            await audit.record(
                connection, ref.tenant_id, f"escalation.{kind}", actor=("system", None),
                subject=("escalation", ref.escalation_id), detail={"due_at": row.due_at.isoformat()},
            )  # fmt: skip
        changed = await _read(connection, ref)
    if seq is not None:
        await resources.frames.announce(ref.tenant_id, row.conversation_id, seq)
    outcome = _outcome(changed)
    left = [each for each in outcome.deadlines if each.at > work.deadline.at]
    return EscalationOutcome(outcome.status, outcome.draft_decided, left)


def _of(ref: EscalationRef, row: Any) -> dict[str, Any]:
    key = f"warning:{ref.escalation_id}"
    return {"tenant_id": ref.tenant_id, "conversation_id": row.conversation_id, "key": key}


async def _passed(connection: AsyncConnection, keys: Any, row: Any, kind: str) -> list[Fact]:
    where = {"tenant_id": row.tenant_id, "escalation_id": row.id}
    if kind == "warning":
        return [Fact("escalation.sla_warning", f"warning:{row.id}", _for_customer(row, row.status, None))]
    if kind == "breach":
        await connection.execute(SET_BREACHED, where)
        if row.unheard:
            return []
        notice = Told(row.turn, "assistant", f"notice:breach:{row.id}", say("sla_breached", row.language), row.language)
        told = (await tell(connection, keys, row.conversation_id, notice))[1]
        return [Fact("escalation.sla_breached", f"breached:{row.id}", _for_customer(row, row.status, None)), *told]
    now = datetime.now(UTC)
    await connection.execute(
        SET_STATUS, {**where, "status": "closed", "decision_id": None, "decided_at": now, "closed_at": now}
    )
    if row.unheard:
        return []
    ref = ConversationRef(row.tenant_id, row.conversation_id)
    told = [Fact("escalation.closed", f"closed:{row.id}", _for_customer(row, "closed", None))]
    return told + await _set_conversation(connection, ref, "active", f"closed:{row.id}")


def _refuse_what_may_not_be(work: ApplyDecision, row: Any) -> None:
    decision, action = work.decision, work.decision.action
    if row.status == "closed":
        _refuse("escalation_closed", "this escalation is closed")
    if action in DRAFT_ACTIONS and row.decided_at is not None:
        _refuse("already_decided", "this draft has been decided")
    if action in ("approve", "reject") and row.draft_ct is None:
        _refuse("no_draft", "there is no draft to decide about")
    if action in ("approve", "edit") and row.requested_by is not None and decision.actor_id == row.requested_by:
        _refuse("four_eyes", "who asked for this may not approve it")
    if not work.by_ops and row.claimed_by not in (None, decision.actor_id):
        _refuse("claimed_by_another", "another agent holds this escalation")


async def _store_ops_decision(connection: AsyncConnection, work: ApplyDecision) -> Any:
    """A signal from the Temporal UI brings no text and has stored nothing before."""
    if not work.by_ops:
        _refuse("not_found", "this decision was not stored")
    decision = work.decision
    await connection.execute(
        insert(Decision).values(
            tenant_id=work.ref.tenant_id,
            id=decision.decision_id,
            escalation_id=work.ref.escalation_id,
            action=decision.action,
            actor_id=decision.actor_id,
        )
    )
    return (await connection.execute(DECISION, {"tenant_id": work.ref.tenant_id, "id": decision.decision_id})).one()


def _next_status(row: Any, action: str) -> tuple[str, str | None]:
    """The escalation's next status and the conversation's, None where it stays."""
    if action in CLOSING_ACTIONS:
        return "closed", "active"
    if action in DRAFT_ACTIONS:
        # A held answer was all that the conversation waited for: with it sent, the AI goes on.
        sent = action != "reject" and row.queue == "review"
        return "decided", "active" if sent else "with_agent"
    return ("decided" if row.status == "decided" else "claimed"), "with_agent"


async def _after_decision(
    connection: AsyncConnection,
    work: ApplyDecision,
    row: Any,
    stored: Any,
    status: str,
    conversation_status: str | None,
) -> list[Fact]:
    ref, now = work.ref, datetime.now(UTC)
    where = {"tenant_id": ref.tenant_id, "escalation_id": ref.escalation_id}
    if work.decision.action == "respond" and row.claimed_by is None:
        await connection.execute(
            SET_CLAIM, {**where, "status": status, "agent_id": work.decision.actor_id, "claimed_at": now}
        )
    decided = now if work.decision.action in DRAFT_ACTIONS else None
    closed = now if status == "closed" else None
    await connection.execute(
        SET_STATUS, {**where, "status": status, "decision_id": stored.id, "decided_at": decided, "closed_at": closed}
    )
    if row.unheard:
        return []
    told_of = _for_customer(row, status, work.decision.actor_id)
    told = [Fact("escalation.decided", f"decided:{stored.id}", told_of)]
    if status == "closed":
        told.append(Fact("escalation.closed", f"closed:{ref.escalation_id}", told_of))
    if conversation_status is not None:
        conversation = ConversationRef(ref.tenant_id, row.conversation_id)
        told += await _set_conversation(connection, conversation, conversation_status, f"decided:{stored.id}")
    return told


async def _set_conversation(connection: AsyncConnection, ref: ConversationRef, status: str, because: str) -> list[Fact]:
    where = {"tenant_id": ref.tenant_id, "conversation_id": ref.conversation_id, "status": status}
    changed = await connection.execute(SET_THREAD_STATUS, where)
    return [Fact("conversation.updated", f"updated:{because}", {"status": status})] if changed.rowcount else []


async def _read(connection: AsyncConnection, ref: EscalationRef) -> Any:
    where = {"tenant_id": ref.tenant_id, "escalation_id": ref.escalation_id}
    row = (await connection.execute(ESCALATION, where)).one_or_none()
    if row is None:
        _refuse("not_found", "the escalation does not exist")
    return row


def _for_customer(row: Any, status: str, agent_id: UUID | None) -> dict[str, Any]:
    """A customer sees the agent's name in place of the id: see `api.stream`."""
    return {"id": row.id, "status": status, "due_at": row.due_at.isoformat(), "agent_id": agent_id}


def _outcome(row: Any) -> EscalationOutcome:
    return EscalationOutcome(
        row.status,
        row.decided_at is not None,
        deadlines(row.status, row.opened_at, row.due_at, row.breached_at is not None, row.decided_at),
    )


def _refuse(kind: str, why: str) -> NoReturn:
    raise ApplicationError(why, type=kind, non_retryable=True)
