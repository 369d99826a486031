"""Telling the customers whose answers rest on a version that was withdrawn."""

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
from api.described import described, json_content
from api.idempotency import IdempotentRoute, resource_id
from api.knowledge_versions import Number, Reader
from api.models import NewFollowUp
from api.pagination import Cursor, Limit, page, position, read_cursor
from api.problems import not_found
from api.starting import start_later
from api.state import State
from helios.knowledge.follow_ups import Plan, open_follow_up, plan, start_follow_up
from helios.knowledge.lifecycle import VERSION
from helios.times import moment
from helios.tokens import Identity
from schema.follow_ups import FollowUpRef
from schema.ingestion import VersionRef

router = APIRouter(prefix="/v1/knowledge/sources/{source_id}", tags=["Knowledge"], route_class=IdempotentRoute)

Teller = Annotated[Identity, Depends(caller("knowledge.follow_up"))]
STATES = ("pending", "told", "person", "left_out")
WITH_PROGRESS = """
    SELECT follow_up.*, (
        SELECT jsonb_object_agg(status, conversations) FROM (
            SELECT status, count(*) AS conversations FROM follow_up_conversations AS asked
            WHERE asked.tenant_id = follow_up.tenant_id AND asked.follow_up_id = follow_up.id GROUP BY status
        ) AS counted) AS progress
    FROM follow_ups AS follow_up WHERE follow_up.tenant_id = :tenant_id
"""
ONE = text(f"{WITH_PROGRESS} AND follow_up.id = :id")
LIST = text(
    f"""
    {WITH_PROGRESS} AND follow_up.source_id = :source_id AND follow_up.version = :version
      AND (CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, CAST(:after AS uuid)))
    ORDER BY created_at DESC, id DESC LIMIT :most
    """
)


@router.post(
    "/versions/{number}/follow-ups",
    **described(
        examples.FOLLOW_UP, "forbidden", "not_found", "version_conflict", status=202, body={"dry_run": False},
        about="The follow-up, which runs",
        also={200: {"description": "What it would be", "content": json_content(examples.FOLLOW_UP_TRIED)}},
    ),
)  # fmt: skip
async def follow_up_version(
    source_id: UUID, number: Number, request: Request, services: State, teller: Teller, body: NewFollowUp | None = None
) -> Response:
    """Tells every customer whose answer rests on this withdrawn version, in the conversation and in their language, or
    hands the conversation to a person: where it is closed, a legal hold stands, the customer is not to be contacted, or
    the tenant's setting `corrections` says so. A conversation is told once for a version, however often this is asked.

    `dry_run`: only says how many conversations and customers that would be, and in which ways.
    """
    ref = VersionRef(teller.tenant_id, source_id, number)
    if body is not None and body.dry_run:
        async with deciding(services, teller) as connection:
            return JSONResponse(_tried(ref, await plan(connection, ref)))
    follow_up = FollowUpRef(teller.tenant_id, resource_id(request))
    async with deciding(services, teller) as connection:
        await open_follow_up(connection, follow_up, ref, ("user", teller.id))
        found = await connection.execute(ONE, {"tenant_id": ref.tenant_id, "id": follow_up.follow_up_id})
        row = found.one()
    await start_later(start_follow_up(services.conversations.client, services.settings, follow_up), "follow-up")
    return JSONResponse(_shown(row), 202)


@router.get(
    "/versions/{number}/follow-ups",
    **described(examples.page(examples.FOLLOW_UP), "not_found", "invalid_cursor", about="The follow-ups"),
)
async def list_follow_ups(
    source_id: UUID, number: Number, services: State, reader: Reader, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Follow-ups of the version, newest first, and how far each is."""
    where = {"tenant_id": reader.tenant_id, "source_id": source_id, "version": number, "most": limit + 1}
    async with services.database.tenant(reader.tenant_id) as connection:
        await _require(connection, where)
        rows = (await connection.execute(LIST, {**where, **position(read_cursor(cursor))})).all()
    return JSONResponse(page(rows, limit, _shown))


async def _require(connection: AsyncConnection, where: dict[str, Any]) -> None:
    """Also a version of a source that was deleted since."""
    if (await connection.execute(VERSION, where)).one_or_none() is None:
        not_found()


def _tried(ref: VersionRef, planned: Plan) -> dict[str, Any]:
    return {
        **{"id": None, "source_id": str(ref.source_id), "version": ref.version, "status": "dry_run"},
        **{"conversations": planned.conversations, "customers": planned.customers, "planned": planned.ways},
        **{"progress": {}, "requested_by": None, "created_at": None, "finished_at": None},
    }


def _shown(row: Any) -> dict[str, Any]:
    counted = row.progress or {}
    progress = {state: counted.get(state, 0) for state in STATES}
    return {
        **{"id": str(row.id), "source_id": str(row.source_id), "version": row.version, "status": row.status},
        **{"conversations": sum(progress.values()), "customers": row.customers, "planned": row.planned},
        **{"progress": progress, "requested_by": str(row.requested_by)},
        **{"created_at": moment(row.created_at), "finished_at": moment(row.finished_at)},
    }
