"""The statutory copy of a conversation: what regulation makes us keep of it, as one document under the record key."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from helios.crypto import Keys
from helios.ids import new_id
from helios.tenant_settings import Retention
from schema.privacy import RecordClass
from schema.tables import StatutoryRecord

WHERE = "statutory_records.content_ct"
PROFILE = "customers.profile_ct"
YEAR = timedelta(days=365.25)
CLASSES: dict[str, RecordClass] = {
    "complaint": "complaints",
    "securities_complaint": "complaints",
    "notice_of_error": "disputes",
    "billing_error": "disputes",
    "documentation_request": "disputes",
}
"""By the kind of a ticket; a conversation without one is a communication."""

OF = "WHERE t.tenant_id = :tenant_id AND t.conversation_id = :id"
PARTS = {
    "messages": text(f"SELECT t.* FROM messages AS t {OF} ORDER BY created_at, id"),  # noqa: S608
    "turns": text(f"SELECT t.* FROM turns AS t {OF} ORDER BY number"),  # noqa: S608
    "escalations": text(f"SELECT t.* FROM escalations AS t {OF} ORDER BY id"),  # noqa: S608
    "decisions": text(
        "SELECT decisions.* FROM decisions JOIN escalations AS t ON t.tenant_id = decisions.tenant_id "  # noqa: S608
        f"AND t.id = decisions.escalation_id {OF} ORDER BY decisions.id"
    ),
    "feedback": text(f"SELECT t.* FROM feedback AS t {OF} ORDER BY id"),  # noqa: S608
    "tickets": text(f"SELECT t.* FROM tickets AS t {OF} ORDER BY id"),  # noqa: S608
}


async def conversation_document(connection: AsyncConnection, ops: Keys, thread: Any) -> dict[str, Any]:
    """The whole conversation in clear, by table: each column under its name, what was sealed without its `_ct`."""
    document: dict[str, Any] = {"conversation": _opened(ops, "threads", thread, thread.id)}
    for name, statement in PARTS.items():
        found = await connection.execute(statement, {"tenant_id": ops.tenant_id, "id": thread.id})
        document[name] = [_opened(ops, name, row, _place(name, row)) for row in found]
    return document


async def keep_copy(
    connection: AsyncConnection, record: Keys, thread: Any, document: dict[str, Any], retention: Retention
) -> None:
    """Writes the copy, once. It is kept as long as the longest of the classes that apply to it."""
    record_id = new_id()
    of_class, until = keep_until(document["tickets"], thread.closed_at or thread.updated_at, retention)
    await connection.execute(
        insert(StatutoryRecord)
        .values(
            tenant_id=record.tenant_id,
            id=record_id,
            customer_id=thread.customer_id,
            conversation_id=thread.id,
            record_class=of_class,
            content_ct=record.seal_json(document, WHERE, record_id),
            retain_until=until,
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "conversation_id"])
    )


def keep_until(
    tickets: Sequence[dict[str, Any]], ended_at: datetime, retention: Retention
) -> tuple[RecordClass, datetime]:
    """The class that is kept longest, and the moment in which that ends."""
    classes: set[RecordClass] = {"communications"}
    classes.update(CLASSES[each["kind"]] for each in tickets if each["kind"] in CLASSES)
    years, of_class = max((getattr(retention, each), each) for each in classes)
    return of_class, ended_at + years * YEAR


def _place(name: str, row: Any) -> object:
    """What a sealed value of this row is bound to."""
    return (row.conversation_id, row.number) if name == "turns" else row.id


def _opened(keys: Keys, table: str, row: Any, place: object) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name, value in row._mapping.items():
        if name == "tenant_id":
            continue
        if name.endswith("_ct"):
            where = f"{table}.{name}"
            shown[name.removesuffix("_ct")] = None if value is None else keys.open_text(value, where, place)
        else:
            shown[name] = _plain(value)
    return shown


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
