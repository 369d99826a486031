"""A tenant's change to another embedder: its chunks get their vectors, then searches switch, then old vectors go.

Service goes on in the old space all the while. A step that is tried again finds the vectors that it made.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.resources import Resources
from activities.space_filling import SETTINGS, fill_next
from helios import audit
from helios.embedders.base import LOCAL, ChunkEmbedder, EmbedderError
from helios.embedders.changes import lock_spaces
from helios.embedders.spaces import Within, counts, is_whole
from helios.tenant_settings import TenantSettings
from schema.embedders import ChangeRef, Embedded, EmbedMore, Switched

STEP_S: Final = 5.0
"""How long a step embeds: what waits in the same queue, of other tenants too, then has its turn."""
REMOVED_AT_ONCE: Final = 5_000

READ = text("SELECT * FROM embedder_changes WHERE tenant_id = :tenant_id AND id = :id")
LOCK = text(f"{READ.text} FOR UPDATE")
PROGRESS = text(
    """
    UPDATE embedder_changes SET chunks_total = :total, chunks_done = :done, trouble = :trouble, updated_at = now()
    WHERE tenant_id = :tenant_id AND id = :id AND status = 'embedding'
    """
)
REPLACE = text(
    "UPDATE embedder_changes SET status = 'replaced', finished_at = now(), updated_at = now() "
    "WHERE tenant_id = :tenant_id AND status = 'in_force'"
)
SWITCH = text(
    "UPDATE embedder_changes SET status = 'in_force', switched_at = now(), updated_at = now(), trouble = NULL, "
    "chunks_done = chunks_total WHERE tenant_id = :tenant_id AND id = :id"
)
REMOVE = text(
    """
    DELETE FROM chunk_vectors WHERE (tenant_id, space, chunk_id) IN (
        SELECT tenant_id, space, chunk_id FROM chunk_vectors AS held WHERE held.tenant_id = :tenant_id
          AND held.space NOT IN (SELECT space FROM embedder_changes WHERE tenant_id = :tenant_id
                                 AND (status IN ('in_force', 'embedding')
                                      OR status = 'replaced' AND finished_at > now() - CAST(:keep AS interval)))
        LIMIT :most)
    """
)
CLEANED = text("UPDATE embedder_changes SET cleaned_at = now() WHERE tenant_id = :tenant_id AND id = :id")


async def embed_more(resources: Resources, work: EmbedMore) -> Embedded:
    """Embeds for some seconds. An embedder that fails is no failure of the step: it says so, and how long to wait."""
    change = await _read(resources, work.ref)
    if change is None or change.status != "embedding":
        return Embedded(open=False)
    after, at_end, failed = work.after, change.space == LOCAL, None
    until = time.monotonic() + STEP_S
    try:
        embedder = await _embedder(resources, work.ref, change)
        while not at_end and time.monotonic() < until and (await _read(resources, work.ref)).status == "embedding":
            chunks = await fill_next(resources, Within(work.ref.tenant_id), embedder, after)
            at_end, after = not chunks, chunks[-1].id if chunks else None
    except EmbedderError as error:
        failed = error
    return await _note(resources, work.ref, change.space, Embedded(
        open=True, after=after, at_end=at_end, trouble=failed.kind if failed else "",
        wait_s=(failed.retry_after_s or 0.0) if failed else 0.0,
    ))  # fmt: skip


async def switch_embedder(resources: Resources, ref: ChangeRef) -> Switched:
    """From the end of this transaction on turns that begin search in the new space, if every chunk is in it."""
    where = {"tenant_id": ref.tenant_id, "id": ref.change_id}
    async with resources.database.tenant(ref.tenant_id) as connection:
        # Chunks that are being stored are there before it is looked, or find the new space in force after it.
        await lock_spaces(connection, ref.tenant_id)
        change = (await connection.execute(LOCK, where)).one_or_none()
        if change is None or change.status != "embedding":
            return Switched(change is not None and change.status == "in_force", resources.settings.embedder_keep_s)
        if change.space != LOCAL and not await is_whole(connection, Within(ref.tenant_id), change.space):
            return Switched(switched=False)
        await connection.execute(REPLACE, {"tenant_id": ref.tenant_id})
        await connection.execute(SWITCH, where)
        await _record(connection, change, "embedder.switched")
    return Switched(switched=True, keep_s=resources.settings.embedder_keep_s)


async def remove_old_vectors(resources: Resources, ref: ChangeRef) -> int:
    """Some of those that lie in a space that is neither searched nor being filled. How many: 0 when all are gone."""
    where = {"tenant_id": ref.tenant_id, "id": ref.change_id}
    async with resources.database.tenant(ref.tenant_id) as connection:
        # A little less: whose own time has passed goes, what another change has just replaced waits for that one.
        keep = timedelta(seconds=0.9 * resources.settings.embedder_keep_s)
        removed = (await connection.execute(REMOVE, {**where, "most": REMOVED_AT_ONCE, "keep": keep})).rowcount
        if not removed:
            await connection.execute(CLEANED, where)
    return removed


async def _embedder(resources: Resources, ref: ChangeRef, change: Any) -> ChunkEmbedder:
    """Raises `EmbedderError` where it may not be asked, or is not there any more: both can change back."""
    embedder = resources.embedders.of_space(change.space)
    if embedder is None:
        raise EmbedderError("rejected", "no such embedder is configured here")
    async with resources.database.tenant(ref.tenant_id) as connection:
        settings = TenantSettings.of((await connection.execute(SETTINGS, {"tenant_id": ref.tenant_id})).scalar_one())
    if embedder.remote and settings.in_house:
        raise EmbedderError("rejected", "no text of the tenant's may leave")
    return embedder


async def _note(resources: Resources, ref: ChangeRef, space: str, step: Embedded) -> Embedded:
    """Keeps how far it is, where people look, and adds it to what the workflow is told."""
    async with resources.database.tenant(ref.tenant_id) as connection:
        total, missing = await counts(connection, ref.tenant_id, space)
        done = total if space == LOCAL else total - missing
        values = {"total": total, "done": done, "trouble": step.trouble or None}
        await connection.execute(PROGRESS, {"tenant_id": ref.tenant_id, "id": ref.change_id, **values})
    return replace(step, total=total, done=done)


async def _read(resources: Resources, ref: ChangeRef) -> Any:
    async with resources.database.tenant(ref.tenant_id) as connection:
        found = await connection.execute(READ, {"tenant_id": ref.tenant_id, "id": ref.change_id})
        return found.one_or_none()


async def _record(connection: AsyncConnection, change: Any, action: str) -> None:
    await audit.record(
        connection, change.tenant_id, action, actor=("system", None), subject=("embedder_change", change.id),
        detail={"embedder": change.embedder, "space": change.space},
    )  # fmt: skip
