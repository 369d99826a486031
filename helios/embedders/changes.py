"""Asking for a change to another embedder, and calling it off. docs/embedders.md draws the states."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios import audit
from helios.audit import ActorType
from helios.embedders.base import ChunkEmbedder
from helios.refusals import Refused
from schema.embedders import ChangeRef
from schema.tables import EmbedderChange

Actor = tuple[ActorType, UUID | None]

RUNNING: Final = text("SELECT id FROM embedder_changes WHERE tenant_id = :tenant_id AND status = 'embedding'")
ONE: Final = text("SELECT * FROM embedder_changes WHERE tenant_id = :tenant_id AND id = :id")
LOCKED: Final = text(f"{ONE.text} FOR UPDATE")
CANCEL: Final = text(
    "UPDATE embedder_changes SET status = 'cancelled', finished_at = now(), updated_at = now() "
    "WHERE tenant_id = :tenant_id AND id = :id"
)


async def lock_spaces(connection: AsyncConnection, tenant_id: UUID, *, shared: bool = False) -> None:
    """Until the transaction ends. Who stores chunks shares it; who switches or asks for a change has it alone."""
    function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    await connection.execute(text(f"SELECT {function}(hashtextextended(:key, 2))"), {"key": str(tenant_id)})


async def open_change(
    connection: AsyncConnection, ref: ChangeRef, embedder: ChunkEmbedder, actor: tuple[ActorType, UUID], in_house: bool
) -> None:
    """Stores what is wanted; a workflow does it. The same id again changes nothing.

    Raises `Refused`: another change is under way, or no text of the tenant's may leave.
    """
    await lock_spaces(connection, ref.tenant_id)
    where = {"tenant_id": ref.tenant_id, "id": ref.change_id}
    if (await connection.execute(ONE, where)).one_or_none() is not None:
        return
    if embedder.remote and in_house:
        raise Refused("embedder_conflict", "The setting `generators` keeps the tenant's text in house.")
    if (await connection.execute(RUNNING, where)).one_or_none() is not None:
        raise Refused("embedder_conflict", "Another change is under way: wait for its end, or cancel it.")
    values = {"embedder": embedder.name, "space": embedder.space, "requested_by": actor[1]}
    await connection.execute(insert(EmbedderChange).values(**where, **values))
    await _record(connection, ref, "embedder.change_asked", actor, embedder.name, embedder.space)


async def cancel_change(connection: AsyncConnection, ref: ChangeRef, actor: Actor) -> None:
    """Nothing has changed then. Raises `Refused`: there is no such change, or it is over."""
    where = {"tenant_id": ref.tenant_id, "id": ref.change_id}
    await lock_spaces(connection, ref.tenant_id)
    change: Any = (await connection.execute(LOCKED, where)).one_or_none()
    if change is None:
        raise Refused("not_found")
    if change.status == "cancelled":
        return
    if change.status != "embedding":
        raise Refused("embedder_conflict", "The change is over: ask for one to the embedder that was there before.")
    await connection.execute(CANCEL, where)
    await _record(connection, ref, "embedder.change_cancelled", actor, change.embedder, change.space)


async def _record(
    connection: AsyncConnection, ref: ChangeRef, action: str, actor: Actor, embedder: str, space: str
) -> None:
    await audit.record(
        connection, ref.tenant_id, action, actor=actor, subject=("embedder_change", ref.change_id),
        detail={"embedder": embedder, "space": space},
    )  # fmt: skip
