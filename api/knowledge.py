"""Knowledge: handing in sources, and looking at what there is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api import knowledge_examples as examples
from api.authentication import caller
from api.described import described, json_content
from api.idempotency import resource_id
from api.knowledge_submitting import allowed_address, body_content, submission_of
from api.models import NewSource
from api.pagination import Cursor, Limit, page, read_cursor
from api.presentation import version_json
from api.problems import not_found
from api.starting import start_later
from api.state import Services, State
from api.uploads import UploadRoute
from helios.knowledge import pages
from helios.knowledge.lifecycle import delete_source
from helios.knowledge.starting import start_ingestion, start_sync
from helios.knowledge.submission import lock_submissions, submit
from helios.refusals import Refused
from helios.times import moment
from helios.tokens import Identity
from schema.ingestion import VersionRef

router = APIRouter(prefix="/v1/knowledge/sources", tags=["Knowledge"], route_class=UploadRoute)

Reader = Annotated[Identity, Depends(caller("knowledge.read"))]
Editor = Annotated[Identity, Depends(caller("knowledge.write"))]
Approver = Annotated[Identity, Depends(caller("knowledge.approve"))]
Status = Literal["ingesting", "failed", "pending_review", "published", "superseded", "withdrawn"]
Name = Annotated[str | None, Query(max_length=64)]
FORM = {"multipart/form-data": {"schema": {
    "type": "object", "required": ["file"], "additionalProperties": {"type": "string"},
    "properties": {"file": {"type": "string", "format": "binary"}},
    "description": "The fields of the JSON body, with the file as it is; `title` is the file's name by default."},
    "example": {"file": "Opening hours: …", "language": "en"}}
}  # fmt: skip
SUBMIT = described(
    examples.SUBMITTED, "forbidden", "not_found", "payload_too_large", "unsupported_media_type", status=202,
    body={"title": "Opening hours", "text": "Our branches are open from 9 to 5.", "language": "en"},
    about="It is being ingested", also={200: {"description": "The same content is there already",
                                              "content": json_content({**examples.SUBMITTED, "duplicate": True})}},
)  # fmt: skip
SUBMIT["openapi_extra"]["requestBody"]["content"].update(FORM)

SOURCES = """
    SELECT source.*, newest.version AS newest_version, newest.status AS newest_status
    FROM knowledge_sources AS source JOIN LATERAL (
        SELECT version, status FROM knowledge_versions AS version
        WHERE version.tenant_id = source.tenant_id AND version.source_id = source.id ORDER BY version DESC LIMIT 1
    ) AS newest ON true
    WHERE source.tenant_id = :tenant_id AND source.deleted_at IS NULL
"""
ONE = text(f"{SOURCES} AND source.id = :id")
LIST = text(
    f"""{SOURCES}
      AND (CAST(:status AS text) IS NULL OR EXISTS (
        SELECT FROM knowledge_versions AS version WHERE version.tenant_id = source.tenant_id
          AND version.source_id = source.id AND version.status = :status))
      AND (CAST(:visibility AS text) IS NULL OR source.visibility = :visibility)
      AND (CAST(:language AS text) IS NULL OR source.language = :language)
      AND (CAST(:category AS text) IS NULL OR source.category = :category)
      AND (CAST(:tag AS text) IS NULL OR :tag = ANY(source.tags))
      AND (CAST(:title AS text) IS NULL OR strpos(lower(source.title), lower(:title)) > 0)
      AND (CAST(:at AS timestamptz) IS NULL OR (source.created_at, source.id) < (:at, CAST(:after AS uuid)))
    ORDER BY source.created_at DESC, source.id DESC LIMIT :most
    """
)
VERSION = text(
    """
    SELECT version.*, source.language, source.slug FROM knowledge_versions AS version JOIN knowledge_sources AS source
      ON source.tenant_id = version.tenant_id AND source.id = version.source_id
    WHERE version.tenant_id = :tenant_id AND version.source_id = :source_id AND version.version = :version
      AND source.deleted_at IS NULL
    """
)


@router.post("", **SUBMIT)
async def submit_source(body: NewSource, request: Request, services: State, editor: Editor) -> Response:
    """Hands in a new source, or the next version of one. It is ingested in the background, then waits for a review.
    A `url` alone is fetched, and looked at again by a schedule: what has changed there becomes the next version.

    The same content again answers 200 with the version that has it.
    """
    if body.text is None and body.file is None and body.url is not None:
        return await _submit_address(body, body.url, request, services, editor)
    original, media_type = body_content(body)
    keys = await services.keyring.tenant(editor.tenant_id)
    async with services.database.tenant(editor.tenant_id) as connection:
        made = await submission_of(editor, body, original, media_type, await _known(connection, editor, body))
        try:
            ref, is_new = await submit(connection, keys, made, resource_id(request))
        except Refused:
            not_found()
        row = await find_version(connection, ref)
    if is_new:
        await _start(services, ref)
    return _submitted(ref, row, is_new=is_new)


async def _submit_address(
    body: NewSource, url: str, request: Request, services: Services, editor: Identity
) -> Response:
    """A page that is known already is looked at again; the answer shows its newest version as it is now."""
    address = allowed_address(url)
    keys = await services.keyring.tenant(editor.tenant_id)
    async with services.database.tenant(editor.tenant_id) as connection:
        await lock_submissions(connection, editor.tenant_id)
        known = await pages.find_page(connection, editor.tenant_id, address)
        if known is not None:
            await pages.make_due(connection, editor.tenant_id, known.id)
            ref = VersionRef(editor.tenant_id, known.source_id, known.version)
        else:
            body = body.model_copy(update={"title": body.title or address[:200], "url": address})
            made = await submission_of(editor, body, None, "text/html", await _known(connection, editor, body))
            try:
                ref, _ = await submit(connection, keys, made, resource_id(request))
            except Refused:
                not_found()
            # Its first look is its ingestion.
            later = datetime.now(UTC) + timedelta(hours=services.settings.knowledge_sync_hours)
            await pages.add(connection, editor.tenant_id, "page", address, editor.id, source_id=ref.source_id,
                            language=body.language, next_check_at=later)  # fmt: skip
        row = await find_version(connection, ref)
    if known is not None:
        await start_later(start_sync(services.conversations.client, services.settings, ref.tenant_id), "sync")
    else:
        await _start(services, ref)
    return _submitted(ref, row, is_new=known is None)


async def _known(connection: AsyncConnection, editor: Identity, body: NewSource) -> Any | None:
    """The source that the body names. Raises `not_found`."""
    return await find_source(connection, editor.tenant_id, body.source_id) if body.source_id is not None else None


def _submitted(ref: VersionRef, row: Any, *, is_new: bool) -> Response:
    location = f"/v1/knowledge/sources/{ref.source_id}/versions/{ref.version}"
    shown = {"id": str(ref.source_id), **version_json(row), "duplicate": not is_new}
    return JSONResponse(shown, 202 if is_new else 200, {"Location": location})


@router.get("", **described(examples.page(examples.SOURCE), "forbidden", "invalid_cursor", about="The sources"))
async def list_sources(
    services: State,
    reader: Reader,
    status: Status | None = None,
    visibility: Literal["public", "internal"] | None = None,
    language: Name = None,
    category: Name = None,
    tag: Name = None,
    title: Name = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The tenant's sources, newest first. `status`: those with a version in it; `title`: those whose title holds it."""
    after = read_cursor(cursor)
    where = {
        "tenant_id": reader.tenant_id, "status": status, "visibility": visibility, "language": language,
        "category": category, "tag": tag, "title": title, "most": limit + 1,
        "at": after[0] if after else None, "after": after[1] if after else None,
    }  # fmt: skip
    async with services.database.tenant(reader.tenant_id) as connection:
        rows = (await connection.execute(LIST, where)).all()
    return JSONResponse(page(rows, limit, source_json))


@router.get("/{source_id}", **described(examples.SOURCE, "not_found", about="The source"))
async def read_source(source_id: UUID, services: State, reader: Reader) -> Response:
    async with services.database.tenant(reader.tenant_id) as connection:
        row = await find_source(connection, reader.tenant_id, source_id)
    return JSONResponse(source_json(row))


@router.delete("/{source_id}", **described(None, "forbidden", "not_found", status=204, about="It is gone"))
async def delete(source_id: UUID, services: State, approver: Approver) -> Response:
    """Takes the source away: no answer rests on it any more, and nobody finds it. Its versions stay for the record."""
    async with services.database.tenant(approver.tenant_id) as connection:
        try:
            await delete_source(connection, approver.tenant_id, source_id, approver.id)
        except Refused:
            not_found()
    return Response(status_code=204)


async def find_source(connection: AsyncConnection, tenant_id: UUID, source_id: UUID) -> Any:
    """Raises `not_found`."""
    row = (await connection.execute(ONE, {"tenant_id": tenant_id, "id": source_id})).one_or_none()
    return row if row is not None else not_found()


async def find_version(connection: AsyncConnection, ref: VersionRef) -> Any:
    """The version with its source's language. Raises `not_found`."""
    where = {"tenant_id": ref.tenant_id, "source_id": ref.source_id, "version": ref.version}
    row = (await connection.execute(VERSION, where)).one_or_none()
    return row if row is not None else not_found()


def source_json(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "slug": row.slug,
        "language": row.language,
        "title": row.title,
        "visibility": row.visibility,
        "category": row.category,
        "tags": row.tags,
        "audiences": row.audiences,
        "url": row.url,
        "published_version": row.published_version,
        "newest_version": row.newest_version,
        "newest_status": row.newest_status,
        "created_at": moment(row.created_at),
    }


async def _start(services: Services, ref: VersionRef) -> None:
    await start_later(start_ingestion(services.conversations.client, services.settings, ref), "ingestion")
