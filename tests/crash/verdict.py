"""What must be true of a conversation, whatever was killed while it ran. Each check returns what is wrong, in words."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing, suppress
from itertools import chain, pairwise
from typing import Any

from sqlalchemy import text

from tests.caller import Transcript
from tests.crash.bank import Bank
from tests.crash.points import STAGES
from tests.crash.talkers import Talker

MESSAGES = text("SELECT * FROM messages WHERE tenant_id = :tenant_id AND conversation_id = :conversation_id")
TURNS = text("SELECT * FROM turns WHERE tenant_id = :tenant_id AND conversation_id = :conversation_id ORDER BY number")
EVENTS = text(
    "SELECT * FROM conversation_events WHERE tenant_id = :tenant_id AND conversation_id = :conversation_id ORDER BY seq"
)
THREAD = text("SELECT * FROM threads WHERE tenant_id = :tenant_id AND id = :conversation_id")
ESCALATIONS = text("SELECT * FROM escalations WHERE tenant_id = :tenant_id AND conversation_id = :conversation_id")
TICKETS = text("SELECT * FROM tickets WHERE tenant_id = :tenant_id AND conversation_id = :conversation_id")
ANALYTICS = text(
    "SELECT analytics.* FROM analytics "
    "JOIN turns ON turns.tenant_id = analytics.tenant_id AND turns.reply_id = analytics.turn_id "
    "WHERE turns.tenant_id = :tenant_id AND conversation_id = :conversation_id"
)
AUDITS = text(
    "SELECT * FROM audits WHERE tenant_id = :tenant_id AND (subject_id = :conversation_id "
    "OR detail ->> 'conversation_id' = CAST(:conversation_id AS text))"
)
ATTEMPTS = text(
    "SELECT attempt FROM turns WHERE tenant_id = :tenant_id AND conversation_id = ANY(CAST(:conversations AS uuid[]))"
)
READ_WITHIN_S = 10.0
AUDIT_ONCE = {"message.accepted": "customer messages", "turn.completed": "turns", "escalation.opened": "escalations",
              "ticket.opened": "tickets", "conversation.created": "conversations"}  # fmt: skip


async def complaints(bank: Bank, talker: Talker) -> list[str]:
    """All that is wrong with one conversation; empty when every promise was kept."""
    where = {"tenant_id": bank.tenant_id, "conversation_id": talker.conversation}
    async with bank.database.tenant(bank.tenant_id) as connection:
        rows = Rows(
            *[(await connection.execute(query, where)).all()
              for query in (MESSAGES, TURNS, EVENTS, ESCALATIONS, TICKETS, ANALYTICS, AUDITS)]
        )  # fmt: skip
        thread = (await connection.execute(THREAD, where)).one()
    found = [*_acceptance(talker, rows), *_turns(rows, thread), *_facts(rows), *_books(rows)]
    found += await _reading(bank, talker, rows)
    return [f"{talker.manner}/{talker.way} {talker.conversation}: {each}" for each in found]


class Rows:
    """What the database holds of a conversation."""

    def __init__(self, *tables: Sequence[Any]) -> None:
        self.messages, self.turns, self.events, self.escalations, self.tickets, self.analytics, self.audits = tables

    def replies(self, turn: int) -> list[Any]:
        return [each for each in self.messages if each.origin == f"ai:{turn}"]


def _acceptance(talker: Talker, rows: Rows) -> list[str]:
    """Every accepted message is there once, in the turn that the answer named, and none that was not sent."""
    stored = {str(each.id): each for each in rows.messages if each.role == "customer"}
    found = []
    for message_id, turn in talker.accepted.values():
        row = stored.pop(message_id, None)
        if row is None or row.turn != turn:
            found.append(f"message {message_id} was accepted into turn {turn}; stored in {row and row.turn}")
    if stored:
        found.append(f"stored, but not accepted: {list(stored)}")
    return found


def _turns(rows: Rows, thread: Any) -> list[str]:
    found = []
    numbers = [each.number for each in rows.turns]
    asked = sorted({each.turn for each in rows.messages if each.role == "customer"})
    if numbers != list(range(1, len(numbers) + 1)) or numbers != asked:
        found.append(f"turns {numbers}, messages in {asked}")
    if not thread.open_turn == thread.completed_turn == len(numbers):
        found.append(f"open turn {thread.open_turn}, completed {thread.completed_turn}, turns {len(numbers)}")
    for turn in rows.turns:
        forwarded = turn.record.get("reason") == "with_human"
        if len(rows.replies(turn.number)) != (0 if forwarded else 1):
            found.append(f"turn {turn.number} ({turn.outcome}) has {len(rows.replies(turn.number))} replies")
        if turn.outcome not in ("answered", "stopped", "escalated"):
            found.append(f"turn {turn.number} ended as {turn.outcome}: {turn.record}")
        if turn.outcome == "escalated" and turn.record["reason"] in ("no_generator", "not_understood"):
            found.append(f"turn {turn.number} was not answered, because of the crash: {turn.record['reason']}")
    return found


def _facts(rows: Rows) -> list[str]:
    """Each thing is told once; an answered turn went through every stage, in order."""
    found = []
    for turn in rows.turns:
        mine = [each for each in rows.events if each.payload.get("turn") == turn.number]
        ends = [each for each in mine if each.type == "turn.completed"]
        if len(ends) != 1:
            found.append(f"turn {turn.number} has {len(ends)} turn.completed")
        stages = [each.payload["stage"] for each in mine if each.type == "turn.stage"]
        expected = list(STAGES) if turn.outcome == "answered" else [each for each in STAGES if each in stages]
        if stages != expected:
            found.append(f"turn {turn.number} ({turn.outcome}) went through {stages}")
    told = Counter((each.type, each.message_id) for each in rows.events if each.type == "message.completed")
    expected_told = Counter(("message.completed", each.id) for each in rows.messages if each.role != "customer")
    if told != expected_told:
        found.append(f"messages told: {told - expected_told or expected_told - told}")
    return found


def _books(rows: Rows) -> list[str]:
    """Tickets, escalations, analytics and audit: once per cause."""
    found = []
    counted = {
        "customer messages": sum(each.role == "customer" for each in rows.messages),
        "turns": len(rows.turns),
        "escalations": len(rows.escalations),
        "tickets": len(rows.tickets),
        "conversations": 1,
    }
    audited = Counter(each.action for each in rows.audits)
    for action, noun in AUDIT_ONCE.items():
        if audited[action] != counted[noun]:
            found.append(f"{counted[noun]} {noun}, but {audited[action]} audit events {action}")
    if len(rows.analytics) != len(rows.turns):
        found.append(f"{len(rows.turns)} turns, {len(rows.analytics)} rows of analytics")
    handed_over = [each for each in rows.turns
                   if each.outcome in ("escalated", "held") and each.record["reason"] != "with_human"]  # fmt: skip
    if len(rows.escalations) != len(handed_over):
        found.append(f"{len(handed_over)} turns handed over, {len(rows.escalations)} escalations")
    return found


async def _reading(bank: Bank, talker: Talker, rows: Rows) -> list[str]:
    """Who listened all the time, and who begins now, have exactly the stored texts."""
    stored = {each["id"]: each["content"] for each in await talker.customer.messages() if each["role"] != "customer"}
    fresh = Transcript()
    ids: list[str] = []
    with suppress(TimeoutError):  # what is missing then is said below
        async with asyncio.timeout(READ_WITHIN_S), aclosing(talker.customer.events()) as events:
            async for event in events:
                fresh.hear(event)
                ids.append(event.id)
                if stored.keys() <= fresh.completed.keys() and len(fresh.turns) >= len(rows.turns):
                    break
    found = []
    for who, transcript, heard in (("the listener", talker.transcript, talker.ids), ("a newcomer", fresh, ids)):
        read = {each: transcript.texts.get(each) for each in transcript.completed}
        found += [f"{who} has {read.get(each)!r} of {each}, stored is {content!r}"
                  for each, content in stored.items() if read.get(each) != content]  # fmt: skip
        ends = Counter(each["turn"] for each in transcript.turns)
        if ends != Counter(each.number for each in rows.turns):
            found.append(f"{who} saw the ends {dict(ends)}")
        found += [f"{who} was sent {after} after {before}" for before, after in backwards(heard)]
    return found


def backwards(ids: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of ids in which a part went back: an offset only grows."""
    parsed = [tuple(map(int, each.split("."))) for each in ids]
    return [(f"{a}.{b}", f"{c}.{d}") for (a, b), (c, d) in pairwise(parsed) if c < a or d < b]


async def attempts(bank: Bank, talkers: Sequence[Talker]) -> list[int]:
    """How often an answer to each turn was begun, over all conversations that the provider answers."""
    remote = [each.conversation for each in talkers if each.way == "remote"]
    async with bank.database.tenant(bank.tenant_id) as connection:
        found = await connection.execute(ATTEMPTS, {"tenant_id": bank.tenant_id, "conversations": remote})
        return list(found.scalars())


async def nothing_is_wrong(bank: Bank, talkers: Sequence[Talker]) -> None:
    """Raises AssertionError with every complaint."""
    # Connections of before a server's death are still in the pool.
    await bank.database.close()
    found = await asyncio.gather(*(complaints(bank, talker) for talker in talkers))
    assert not any(found), "\n".join(chain.from_iterable(found))
