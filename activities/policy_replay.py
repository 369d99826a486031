"""A draft of a policy against past turns: what would have been decided otherwise, and why.

Both the draft and the version in force look at the same words with the detectors of today, so what differs is the
rules' doing alone. The words are opened here and nowhere else; what is stored of them are numbers and names.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.resources import Resources
from activities.review import Standard
from activities.screening import screen
from helios import audit
from helios.crypto import Shredded
from helios.detection.learned import Floats
from helios.detection.output import Context
from helios.rules.policy import Policy, policy_of
from schema.policy_replay import Place, ReplayBatch, Replayed, ReplayRef
from schema.tables import PolicyReplayChange

BATCH = 50
CONTENT = "messages.content_ct"

REPLAY = text("SELECT * FROM policy_replays WHERE tenant_id = :tenant_id AND id = :id")
TURNS = text(
    """
    SELECT conversation_id, number, received_at FROM turns
    WHERE tenant_id = :tenant_id AND completed_at IS NOT NULL AND received_at < :created_at
      AND (CAST(:at AS timestamptz) IS NULL
           OR (received_at, conversation_id, number) < (:at, CAST(:conversation AS uuid), CAST(:turn AS int)))
    ORDER BY received_at DESC, conversation_id DESC, number DESC LIMIT :most
    """
)
WORDS = text(
    """
    SELECT id, conversation_id, turn, role, content_ct, masked FROM messages
    WHERE tenant_id = :tenant_id AND conversation_id = ANY(:conversations)
      AND (role = 'customer' OR origin LIKE 'ai:%') ORDER BY created_at, id
    """
)
PROGRESS = text(
    "UPDATE policy_replays SET done = :done, status = CAST(:status AS text), "
    "finished_at = CASE WHEN CAST(:status AS text) = 'done' THEN now() END "
    "WHERE tenant_id = :tenant_id AND id = :id AND status = 'running'"
)


FAIL = text(
    "UPDATE policy_replays SET status = 'failed', finished_at = now() "
    "WHERE tenant_id = :tenant_id AND id = :id AND status = 'running'"
)


async def replay_batch(resources: Resources, batch: ReplayBatch) -> Replayed:
    """The next turns. Their changes are stored under the turn, so the same batch again stores nothing twice."""
    where = {"tenant_id": batch.ref.tenant_id, "id": batch.ref.replay_id}
    async with resources.database.tenant(batch.ref.tenant_id) as connection:
        replay = (await connection.execute(REPLAY, where)).one()
        policies = [await policy_of(connection, batch.ref.tenant_id, n) for n in (replay.against, replay.version)]
        turns, spoken = await _read(connection, resources, batch, replay)
    questions = ["\n".join(spoken[turn]["customer"]) for turn in turns]
    vectors = await asyncio.to_thread(resources.encoder.embed, questions or [""])
    changes = [
        {"conversation_id": turn[0], "turn": turn[1], **changed}
        for turn, question, vector in zip(turns, questions, vectors, strict=False)
        if (changed := _changed(policies, question, spoken[turn], vector))
    ]
    done = batch.done + len(turns)
    last = len(turns) < BATCH or done >= replay.total
    async with resources.database.tenant(batch.ref.tenant_id) as connection:
        if changes:
            rows = [{"tenant_id": batch.ref.tenant_id, "replay_id": batch.ref.replay_id, **each} for each in changes]
            await connection.execute(insert(PolicyReplayChange).on_conflict_do_nothing(), rows)
        counted = await connection.execute(PROGRESS, {**where, "done": done, "status": "done" if last else "running"})
        if last and counted.rowcount:
            await _record(connection, batch.ref, "policy.replay_done", turns=done)
    return Replayed(done, replay.total, None if last else turns[list(turns)[-1]])


async def fail_replay(resources: Resources, ref: ReplayRef) -> None:
    """Says that it will get no further. What was found until then stays, and does not count as a whole."""
    async with resources.database.tenant(ref.tenant_id) as connection:
        if (await connection.execute(FAIL, {"tenant_id": ref.tenant_id, "id": ref.replay_id})).rowcount:
            await _record(connection, ref, "policy.replay_failed")


async def _record(connection: AsyncConnection, ref: ReplayRef, action: str, **detail: int) -> None:
    subject = ("policy_replay", ref.replay_id)
    await audit.record(connection, ref.tenant_id, action, actor=("system", None), subject=subject, detail=detail)


async def _read(
    connection: AsyncConnection, resources: Resources, batch: ReplayBatch, replay: Any
) -> tuple[dict[tuple[Any, int], Place], dict[tuple[Any, int], dict[str, list[str]]]]:
    """The batch's turns with their places, and what was said in each by role; `masked` are the labels."""
    after = batch.after
    position = {
        "at": after.received_at if after else None,
        "conversation": after.conversation_id if after else None,
        "turn": after.turn if after else None,
    }
    most = {
        "tenant_id": replay.tenant_id,
        "created_at": replay.created_at,
        "most": min(BATCH, replay.total - batch.done),
    }
    rows = (await connection.execute(TURNS, {**most, **position})).all()
    turns = {(row.conversation_id, row.number): Place(row.received_at, row.conversation_id, row.number) for row in rows}
    spoken: dict[tuple[Any, int], dict[str, list[str]]] = {
        turn: {"customer": [], "assistant": [], "masked": []} for turn in turns
    }
    conversations = list({row.conversation_id for row in rows})
    words = await connection.execute(WORDS, {"tenant_id": replay.tenant_id, "conversations": conversations})
    for row in words:
        said = spoken.get((row.conversation_id, row.turn))
        if said is not None:
            said["masked"] += row.masked
            # Of an erased customer nothing can be read any more: there the turn was about nothing.
            with suppress(Shredded):
                keys = await resources.keyring.conversation(replay.tenant_id, row.conversation_id)
                said[row.role].append(keys.open_text(row.content_ct, CONTENT, row.id))
    return turns, spoken


def _changed(
    policies: Sequence[Policy], question: str, said: dict[str, list[str]], vector: Floats
) -> dict[str, Any] | None:
    before, after = (_verdict(policy, question, said, vector) for policy in policies)
    if before == after:
        return None
    reason = ", ".join(name for name in before if before[name] != after[name])
    situation = after["situation"] if after["situation"] is not None else before["situation"]
    return {"before": before, "after": after, "reason": reason, "situation": situation}


def _verdict(policy: Policy, question: str, said: dict[str, list[str]], vector: Floats) -> dict[str, Any]:
    screened = screen(question, said["masked"], vector, policy)
    listed = policy.situation(screened.situation) if screened.situation is not None else None
    standard = Standard(Context(situations=screened.situations), "en", 0, policy)
    held_by = sorted({rule for answer in said["assistant"] for rule in standard.forbidden("", answer)})
    return {
        # An answer that meets a forbidden phrase waits for a person.
        "verdict": "hold" if held_by and screened.verdict == "answer" else screened.verdict,
        "situation": screened.situation,
        "priority": listed.priority if listed is not None else None,
        "queue": listed.queue if listed is not None else None,
        "held_by": held_by,
    }
