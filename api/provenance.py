"""How the turns of a conversation came about, and what was done about answers whose ground was withdrawn since."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios.decided import decided_by_turn
from helios.times import moment

TURNS = text("SELECT * FROM turns WHERE tenant_id = :tenant_id AND conversation_id = :id ORDER BY number")
CORRECTIONS = text(
    "SELECT * FROM follow_up_conversations WHERE tenant_id = :tenant_id AND conversation_id = :id "
    "AND status <> 'pending' ORDER BY done_at, source_id, version"
)
# A chunk belongs to one version of its source, and neither ever changes.
VERSIONS = text(
    "SELECT id, source_id, version FROM chunks WHERE tenant_id = :tenant_id AND id = ANY(CAST(:chunks AS uuid[]))"
)


async def provenance_of(connection: AsyncConnection, tenant_id: UUID, conversation_id: UUID) -> dict[str, Any]:
    where = {"tenant_id": tenant_id, "id": conversation_id}
    decided = await decided_by_turn(connection, tenant_id, conversation_id)
    rows = await connection.execute(TURNS, where)
    turns = [{**_turn(row), "people": list(decided.get(row.number, ()))} for row in rows]
    await _name_versions(connection, tenant_id, [each for turn in turns for each in turn.get("passages", ())])
    return {
        "conversation_id": str(conversation_id),
        "turns": turns,
        "corrections": [_correction(row) for row in await connection.execute(CORRECTIONS, where)],
    }


def _turn(row: Any) -> dict[str, Any]:
    return {
        "turn": row.number,
        "attempts": row.attempt,
        "reply_id": str(row.reply_id),
        **row.record,
        "generation": dict(row.draft or {}),
    }


async def _name_versions(connection: AsyncConnection, tenant_id: UUID, passages: list[dict[str, Any]]) -> None:
    """Of which version of which source each passage is."""
    chunks = sorted({each["chunk_id"] for each in passages})
    found = await connection.execute(VERSIONS, {"tenant_id": tenant_id, "chunks": chunks}) if chunks else ()
    known = {str(row.id): {"source_id": str(row.source_id), "version": row.version} for row in found}
    for each in passages:
        each.update(known.get(each["chunk_id"], {}))


def _correction(row: Any) -> dict[str, Any]:
    ids = {name: getattr(row, name) for name in ("source_id", "follow_up_id", "message_id", "escalation_id")}
    return {
        **{name: str(value) if value is not None else None for name, value in ids.items()},
        **{"version": row.version, "status": row.status, "because": row.because, "at": moment(row.done_at)},
    }
