"""Which embedder a tenant's knowledge is searched with, and changing it without a gap."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api import knowledge_examples as examples
from api.authentication import caller
from api.deciding import deciding
from api.described import described
from api.idempotency import IdempotentRoute, resource_id
from api.models import NewEmbedderChange
from api.pagination import Cursor, Limit, page, position, read_cursor
from api.problems import Problem, not_found
from api.starting import start_later
from api.state import State
from helios.embedders.base import LOCAL, ChunkEmbedder
from helios.embedders.changes import ONE, cancel_change, open_change
from helios.embedders.spaces import counts
from helios.embedders.starting import start_change, wake_change
from helios.tenant_settings import TenantSettings
from helios.times import moment
from helios.tokens import Identity
from schema.embedders import ChangeRef

router = APIRouter(prefix="/v1/knowledge", tags=["Knowledge"], route_class=IdempotentRoute)

Reader = Annotated[Identity, Depends(caller("knowledge.read"))]
Changer = Annotated[Identity, Depends(caller("embedder.change"))]

STATE = text(
    "SELECT * FROM embedder_changes WHERE tenant_id = :tenant_id AND status IN ('in_force', 'embedding')"
)  # fmt: skip
SETTINGS = text("SELECT settings FROM tenants WHERE id = :tenant_id")
LIST = text(
    """
    SELECT * FROM embedder_changes WHERE tenant_id = :tenant_id
      AND (CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, CAST(:after AS uuid)))
    ORDER BY created_at DESC, id DESC LIMIT :most
    """
)


@router.get("/embedder", **described(examples.EMBEDDER, about="The embedder"))
async def read_embedder(services: State, reader: Reader) -> Response:
    """The embedder in force, those that there are, and the change that is under way, if one is.

    `missing` are chunks without a vector in the space in force, which are found by their words only. `configured` is
    false where the operator has taken the embedder away: searches use the local one's vectors then.
    """
    async with services.database.tenant(reader.tenant_id) as connection:
        rows = {row.status: row for row in await connection.execute(STATE, {"tenant_id": reader.tenant_id})}
        held = rows.get("in_force")
        space = held.space if held is not None else LOCAL
        total, missing = await counts(connection, reader.tenant_id, space)
    known = services.embedders.of_space(space)
    return JSONResponse({
        "embedder": held.embedder if held is not None else LOCAL,
        "space": space,
        "configured": known is not None,
        "chunks": total,
        "missing": 0 if space == LOCAL else missing,
        "available": [_available(each) for each in services.embedders.by_name.values()],
        "change": _shown(rows["embedding"]) if "embedding" in rows else None,
    })  # fmt: skip


@router.post(
    "/embedder-changes",
    **described(
        examples.EMBEDDER_CHANGE, "forbidden", "embedder_conflict", "unknown_embedder", status=202,
        body={"embedder": "local"}, about="The change, which runs",
    ),
)  # fmt: skip
async def change_embedder(body: NewEmbedderChange, request: Request, services: State, changer: Changer) -> Response:
    """Embeds all of the tenant's knowledge with another embedder, in the background, and then searches with it.

    Until then everything is searched as before. Asking for the embedder before goes back: its vectors are kept for a
    while, so that only what was added since is embedded. Asking for the one in force makes up for what is missing.
    """
    embedder = services.embedders.by_name.get(body.embedder)
    if embedder is None:
        raise Problem(
            "unknown_embedder", errors=[{"pointer": "/embedder", "detail": "is none of those that there are"}]
        )
    ref = ChangeRef(changer.tenant_id, resource_id(request))
    async with deciding(services, changer) as connection:
        found = await connection.execute(SETTINGS, {"tenant_id": ref.tenant_id})
        in_house = TenantSettings.of(found.scalar_one()).in_house
        await open_change(connection, ref, embedder, ("user", changer.id), in_house)
        row = await _one(connection, ref)
    await start_later(start_change(services.conversations.client, services.settings, ref), "embedder change")
    return JSONResponse(_shown(row), 202)


@router.get(
    "/embedder-changes",
    **described(examples.page(examples.EMBEDDER_CHANGE), "invalid_cursor", about="The changes"),
)
async def list_embedder_changes(services: State, reader: Reader, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """Changes, newest first."""
    where = {"tenant_id": reader.tenant_id, "most": limit + 1, **position(read_cursor(cursor))}
    async with services.database.tenant(reader.tenant_id) as connection:
        rows = (await connection.execute(LIST, where)).all()
    return JSONResponse(page(rows, limit, _shown))


@router.get(
    "/embedder-changes/{change_id}", **described(examples.EMBEDDER_CHANGE, "not_found", about="The change")
)  # fmt: skip
async def read_embedder_change(change_id: UUID, services: State, reader: Reader) -> Response:
    """How far it is. `trouble` says what the embedder failed with last, while it is waited for."""
    async with services.database.tenant(reader.tenant_id) as connection:
        row = await _one(connection, ChangeRef(reader.tenant_id, change_id))
    return JSONResponse(_shown(row))


@router.post(
    "/embedder-changes/{change_id}/cancel",
    **described(examples.EMBEDDER_CHANGE, "forbidden", "not_found", "embedder_conflict", about="The change, cancelled"),
)
async def cancel_embedder_change(change_id: UUID, services: State, changer: Changer) -> Response:
    """Everything stays as it is. A change that has switched is undone by one to the embedder before."""
    ref = ChangeRef(changer.tenant_id, change_id)
    async with deciding(services, changer) as connection:
        await cancel_change(connection, ref, ("user", changer.id))
        row = await _one(connection, ref)
    await start_later(wake_change(services.conversations.client, ref), "embedder change")
    return JSONResponse(_shown(row))


async def _one(connection: AsyncConnection, ref: ChangeRef) -> Any:
    row = (await connection.execute(ONE, {"tenant_id": ref.tenant_id, "id": ref.change_id})).one_or_none()
    if row is None:
        not_found()
    return row


def _available(embedder: ChunkEmbedder) -> dict[str, Any]:
    names = ("name", "space", "dimension", "multilingual", "remote")
    return {name: getattr(embedder, name) for name in names}


def _shown(row: Any) -> dict[str, Any]:
    names = ("embedder", "space", "status", "chunks_total", "chunks_done", "trouble")
    return {
        **{"id": str(row.id), "requested_by": str(row.requested_by)},
        **{name: getattr(row, name) for name in names},
        **{name: moment(getattr(row, name)) for name in ("created_at", "switched_at", "finished_at", "cleaned_at")},
    }
