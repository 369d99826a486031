"""Versions: reading and comparing them, approving, rejecting, withdrawing, and going back to an earlier one."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text

from api import knowledge_examples as examples
from api.authentication import caller
from api.cleaning import clean
from api.deciding import deciding
from api.described import ID, described
from api.idempotency import IdempotentRoute
from api.knowledge import find_source, find_version, source_json
from api.models import Nothing, Remarks, Review
from api.pagination import Cursor, Limit, page, read_cursor
from api.presentation import version_json
from api.starting import start_later
from api.state import Services, State
from helios.knowledge.comparison import Change, compare
from helios.knowledge.lifecycle import approve, reject, roll_back, withdraw
from helios.knowledge.starting import start_publication
from helios.times import moment
from helios.tokens import Identity
from schema.ingestion import Publish, VersionRef

router = APIRouter(prefix="/v1/knowledge/sources/{source_id}", tags=["Knowledge"], route_class=IdempotentRoute)

Reader = Annotated[Identity, Depends(caller("knowledge.read"))]
Approver = Annotated[Identity, Depends(caller("knowledge.approve"))]
Withdrawer = Annotated[Identity, Depends(caller("knowledge.withdraw"))]
Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="The version's number")]
COMPARED = ("title", "visibility", "category", "tags", "audiences", "url", "effective_at", "expires_at")

# A version is known by its number; lists and their cursors need an id.
VERSIONS = text(
    """
    WITH version AS (
        SELECT version.*, source.language, source.slug, md5(source.id || ':' || version.version)::uuid AS id
        FROM knowledge_versions AS version JOIN knowledge_sources AS source
          ON source.tenant_id = version.tenant_id AND source.id = version.source_id
        WHERE version.tenant_id = :tenant_id AND version.source_id = :source_id
    )
    SELECT * FROM version
    WHERE (CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, CAST(:after AS uuid)))
    ORDER BY created_at DESC, id DESC LIMIT :most
    """
)
SPANS = text(
    "SELECT published_at, published_by, ended_at, ended_by FROM publications WHERE tenant_id = :tenant_id "
    "AND source_id = :source_id AND version = :version ORDER BY published_at"
)
PUBLISHED_BEFORE = text(
    """
    SELECT coalesce(
        (SELECT published_version FROM knowledge_sources
         WHERE tenant_id = :tenant_id AND id = :source_id AND published_version <> :version),
        (SELECT max(version) FROM knowledge_versions WHERE tenant_id = :tenant_id AND source_id = :source_id
           AND version < :version AND status IN ('published', 'superseded', 'withdrawn')))
    """
)
CITING = text(
    """
    SELECT messages.id, messages.conversation_id, messages.turn, messages.role, messages.created_at,
           threads.customer_id, threads.status, asked.status AS follow_up
    FROM citations JOIN messages ON messages.tenant_id = citations.tenant_id AND messages.id = citations.message_id
    JOIN threads ON threads.tenant_id = messages.tenant_id AND threads.id = messages.conversation_id
    LEFT JOIN follow_up_conversations AS asked
      ON asked.tenant_id = citations.tenant_id AND asked.source_id = citations.source_id
     AND asked.version = citations.version AND asked.conversation_id = threads.id
    WHERE citations.tenant_id = :tenant_id AND citations.source_id = :source_id AND citations.version = :version
      AND (CAST(:at AS timestamptz) IS NULL OR (messages.created_at, messages.id) < (:at, CAST(:after AS uuid)))
    ORDER BY messages.created_at DESC, messages.id DESC LIMIT :most
    """
)


@router.get(
    "/versions",
    **described(examples.page({"id": ID, **examples.VERSION}), "not_found", "invalid_cursor", about="The versions"),
)
async def list_versions(
    source_id: UUID, services: State, reader: Reader, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The source's versions, newest first."""
    where = {"tenant_id": reader.tenant_id, "source_id": source_id, **_position(limit, cursor)}
    async with services.database.tenant(reader.tenant_id) as connection:
        await find_source(connection, reader.tenant_id, source_id)
        rows = (await connection.execute(VERSIONS, where)).all()
    return JSONResponse(page(rows, limit, lambda row: {"id": str(row.id), **version_json(row)}))


@router.get("/versions/{number}", **described(examples.VERSION_WHOLE, "not_found", about="The version"))
async def read_version(source_id: UUID, number: Number, services: State, reader: Reader) -> Response:
    """A version with its text, how far its ingestion is, its review, and when answers rested on it."""
    return await _shown(services, VersionRef(reader.tenant_id, source_id, number))


@router.get("/versions/{number}/diff", **described(examples.DIFF, "not_found", about="What changes"))
async def compare_versions(
    source_id: UUID,
    number: Number,
    services: State,
    reader: Reader,
    against: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Default: the published version")] = None,
) -> Response:
    """What changes, sentence by sentence, from the published version (else the last before it) to this one."""
    ref = VersionRef(reader.tenant_id, source_id, number)
    async with services.database.tenant(reader.tenant_id) as connection:
        after = await find_version(connection, ref)
        if against is None:
            found = await connection.execute(PUBLISHED_BEFORE, _where(ref))
            against = found.scalar_one_or_none()
        before = await find_version(connection, VersionRef(ref.tenant_id, source_id, against)) if against else None
    changes = await asyncio.to_thread(compare, before.content if before is not None else "", after.content)
    return JSONResponse(
        {
            "source_id": str(source_id),
            "from": against,
            "to": number,
            "fields": _changed_fields(before, after),
            "changes": [_change_json(change) for change in changes],
        }
    )


@router.get(
    "/versions/{number}/citations",
    **described(examples.page(examples.CITING), "not_found", "invalid_cursor", about="The answers"),
)
async def list_citations(
    source_id: UUID, number: Number, services: State, reader: Reader, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Every answer that a customer was given and that rests on this version, newest first. `follow_up` is what became
    of its conversation in a follow-up: `pending`, `told`, `person` or `left_out`; null where nobody asked for one.
    """
    ref = VersionRef(reader.tenant_id, source_id, number)
    async with services.database.tenant(reader.tenant_id) as connection:
        await find_version(connection, ref)
        rows = (await connection.execute(CITING, {**_where(ref), **_position(limit, cursor)})).all()
    return JSONResponse(page(rows, limit, _citing_json))


@router.post(
    "/versions/{number}/approve",
    **described(
        examples.VERSION_WHOLE,
        "not_found",
        "four_eyes",
        "version_conflict",
        "evaluation_required",
        body={"note": "Checked against the price list.", "force": False},
        about="The version",
    ),
)
async def approve_version(
    source_id: UUID, number: Number, services: State, approver: Approver, body: Review | None = None
) -> Response:
    """Publishes the version, at once or at its time. Whoever submitted it may not. Where a suite guards knowledge, that
    has passed over exactly this; else it needs `force`, and a `note` that says why.
    """
    ref, asked = VersionRef(approver.tenant_id, source_id, number), body or Review()
    async with deciding(services, approver) as connection:
        at = await approve(connection, ref, approver.id, asked.publish_at, _note(asked.note), force=asked.force)
    if at is not None:
        start = start_publication(services.conversations.client, services.settings, Publish(ref, at))
        await start_later(start, "publication")
    return await _shown(services, ref)


@router.post(
    "/versions/{number}/reject",
    **described(
        {**examples.VERSION_WHOLE, "status": "withdrawn"},
        "not_found",
        "version_conflict",
        body={"note": "The fee is out of date."},
        about="The version",
    ),
)
async def reject_version(
    source_id: UUID, number: Number, services: State, approver: Approver, body: Remarks | None = None
) -> Response:
    """Sends the version back; it becomes `withdrawn`. What is published stays."""
    ref = VersionRef(approver.tenant_id, source_id, number)
    async with deciding(services, approver) as connection:
        await reject(connection, ref, approver.id, _note((body or Remarks()).note))
    return await _shown(services, ref)


@router.post(
    "/versions/{number}/withdraw",
    **described(
        {**examples.VERSION_WHOLE, "status": "withdrawn"},
        "not_found",
        "version_conflict",
        body={"note": "No longer offered."},
        about="The version",
    ),
)
async def withdraw_version(
    source_id: UUID, number: Number, services: State, actor: Withdrawer, body: Remarks | None = None
) -> Response:
    """No answer rests on it from now on, and nothing takes its place. `citations` lists the answers that did, and
    `follow-ups` tells their customers.
    """
    ref = VersionRef(actor.tenant_id, source_id, number)
    async with deciding(services, actor) as connection:
        await withdraw(connection, ref, actor.id, _note((body or Remarks()).note))
    return await _shown(services, ref)


@router.post("/rollback", **described(examples.SOURCE, "not_found", "version_conflict", body={}, about="The source"))
async def roll_back_source(
    source_id: UUID, services: State, approver: Approver, body: Nothing | None = None
) -> Response:
    """Publishes again what was published before; what is published now becomes `superseded`."""
    async with deciding(services, approver) as connection:
        await roll_back(connection, approver.tenant_id, source_id, approver.id)
        row = await find_source(connection, approver.tenant_id, source_id)
    return JSONResponse(source_json(row))


async def _shown(services: Services, ref: VersionRef) -> Response:
    async with services.database.tenant(ref.tenant_id) as connection:
        row = await find_version(connection, ref)
        spans = (await connection.execute(SPANS, _where(ref))).all()
    published = [
        {"from": moment(span.published_at), "until": moment(span.ended_at),
         "published_by": str(span.published_by) if span.published_by else None,
         "ended_by": str(span.ended_by) if span.ended_by else None}
        for span in spans
    ]  # fmt: skip
    return JSONResponse({**version_json(row), "content": row.content, "publications": published})


def _changed_fields(before: Any, after: Any) -> list[dict[str, Any]]:
    """What else is different: title, visibility, dates and so on."""
    pairs = ((name, getattr(before, name, None), getattr(after, name)) for name in COMPARED)
    return [
        {"field": name, "before": _plain(old), "after": _plain(new)}
        for name, old, new in pairs
        if old != new and (before is not None or new)
    ]


def _plain(value: Any) -> Any:
    return moment(value) if isinstance(value, datetime) else value


def _change_json(change: Change) -> dict[str, Any]:
    return {
        "kind": change.kind,
        "before": list(change.before),
        "after": list(change.after),
        "unchanged": change.unchanged,
    }


def _citing_json(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "conversation_id": str(row.conversation_id),
        "customer_id": str(row.customer_id),
        "conversation_status": row.status,
        "turn": row.turn,
        "role": row.role,
        "created_at": moment(row.created_at),
        "follow_up": row.follow_up,
    }


def _note(note: str | None) -> str | None:
    return clean(note) if note else None


def _position(limit: int, cursor: str | None) -> dict[str, Any]:
    after = read_cursor(cursor)
    return {"at": after[0] if after else None, "after": after[1] if after else None, "most": limit + 1}


def _where(ref: VersionRef) -> dict[str, Any]:
    return {"tenant_id": ref.tenant_id, "source_id": ref.source_id, "version": ref.version}
