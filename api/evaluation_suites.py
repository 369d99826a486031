"""Suites of a tenant's own: what its assistant must answer, written down before anything is changed."""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text

from api import evaluation_examples as examples
from api.authentication import caller
from api.deciding import deciding
from api.described import described, text_content
from api.documents import style_policy
from api.evaluation_models import NewSuite
from api.idempotency import IdempotentRoute, resource_id
from api.languages import identifier
from api.models import SourceFile
from api.pagination import Cursor, Limit, page, position, read_cursor
from api.permissions import allows
from api.problems import Problem
from api.state import Services, State
from api.uploads import UntitledUploadRoute
from helios.evaluations import suites
from helios.evaluations.cleaning import Cleaned, without_personal_data
from helios.evaluations.picture import STYLE, history_svg
from helios.evaluations.shown import history, suite_json, suite_whole
from helios.evaluations.suite import Suite, SuiteRefused, read_suite
from helios.rules import versions
from helios.rules.redaction import redaction_of
from helios.rules.versions import REDACTION_RULES
from helios.tokens import Identity

router = APIRouter(prefix="/v1/evaluations/suites", tags=["Evaluations"], route_class=IdempotentRoute)
upload_router = APIRouter(prefix="/v1/evaluations/suites", tags=["Evaluations"], route_class=UntitledUploadRoute)

Reader = Annotated[Identity, Depends(caller("evaluations.read"))]
Writer = Annotated[Identity, Depends(caller("evaluations.write"))]
Name = Annotated[str | None, Query(max_length=80, description="Only versions of the suite of this name")]
FORM = {"multipart/form-data": {"schema": {
    "type": "object", "required": ["file"], "additionalProperties": {"type": "string"},
    "properties": {"file": {"type": "string", "format": "binary"}},
    "description": "The suite's file as it is: its name ends in .yaml."},
    "example": {"file": examples.YAML}}
}  # fmt: skip
PICTURE = {**style_policy(STYLE), "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
LIST = text(
    """
    SELECT * FROM evaluation_suites WHERE tenant_id = :tenant_id
      AND (name = :name OR (CAST(:name AS text) IS NULL AND status = 'current'))
      AND (CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, CAST(:after AS uuid)))
    ORDER BY created_at DESC, id DESC LIMIT :most
    """
)
ADD = described(
    examples.SUITE_WHOLE, "forbidden", "version_conflict", "payload_too_large", "unsupported_media_type", status=201,
    body={"document": examples.YAML}, about="The suite",
)  # fmt: skip
ADD["openapi_extra"]["requestBody"]["content"].update(FORM)


@upload_router.post("", **ADD)
async def add_suite(body: NewSuite, request: Request, services: State, writer: Writer) -> Response:
    """A new suite, or the next version of the one with its name; the same again is the version that is there. Secrets
    and personal data in its messages are taken out, of the kinds in `masked`. What is wrong is named with its line. A
    suite that guards what is published is changed by an admin, an approver or a compliance officer only.
    """
    suite = await asyncio.to_thread(_read, body)
    cleaned = await _cleaned(services, writer, suite)
    keys = await services.keyring.tenant(writer.tenant_id)
    async with deciding(services, writer) as connection:
        before = await suites.current_suite(connection, writer.tenant_id, suite.name)
        _require_guard(writer, [*suite.guards, *(before.guards if before is not None else ())])
        actor: suites.Actor = ("user", writer.id)
        row = await suites.add_suite(connection, keys, writer.tenant_id, resource_id(request), cleaned, actor)
    return JSONResponse(suite_whole(keys, row), 201)


@router.get("", **described(examples.page(examples.SUITE), "forbidden", "invalid_cursor", about="The suites"))
async def list_suites(
    services: State, reader: Reader, name: Name = None, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The suites that count, newest first; with `name` all versions of one, also of one that was removed."""
    where = {"tenant_id": reader.tenant_id, "name": name, "most": limit + 1, **position(read_cursor(cursor))}
    async with services.database.tenant(reader.tenant_id) as connection:
        rows = (await connection.execute(LIST, where)).all()
    return JSONResponse(page(rows, limit, suite_json))


@router.get("/{suite_id}", **described(examples.SUITE_WHOLE, "forbidden", "not_found", about="The suite"))
async def read_suite_version(suite_id: UUID, services: State, reader: Reader) -> Response:
    """A version of a suite with all of its cases."""
    keys = await services.keyring.tenant(reader.tenant_id)
    async with deciding(services, reader) as connection:
        row = await suites.find_suite(connection, reader.tenant_id, suite_id)
    return JSONResponse(suite_whole(keys, row))


@router.get(
    "/{suite_id}/history.svg",
    **described(
        None, "forbidden", "not_found",
        also={200: {"description": "The picture", "content": text_content("image/svg+xml", "<svg …></svg>")}},
    ),
)  # fmt: skip
async def draw_history(suite_id: UUID, services: State, reader: Reader) -> Response:
    """The share of cases that passed in each run of the suite, over all of its versions, and which cases the newest
    draft does better or worse.
    """
    keys = await services.keyring.tenant(reader.tenant_id)
    async with deciding(services, reader) as connection:
        row = await suites.find_suite(connection, reader.tenant_id, suite_id)
        points, worse, better = await history(connection, keys, row)
    picture = history_svg(row.name, points, worse, better)
    return Response(picture, media_type="image/svg+xml", headers=PICTURE)


@router.delete("/{suite_id}", **described(None, "forbidden", "not_found", status=204, about="It is gone"))
async def remove_suite(suite_id: UUID, services: State, writer: Writer) -> Response:
    """Takes the suite away with all of its versions: it guards nothing any more, and its words and what was answered to
    them are deleted. The figures of its runs stay.
    """
    async with deciding(services, writer) as connection:
        row = await suites.find_suite(connection, writer.tenant_id, suite_id)
        _require_guard(writer, row.guards)
        await suites.remove_suite(connection, writer.tenant_id, suite_id, ("user", writer.id))
    return Response(status_code=204)


def _require_guard(writer: Identity, guards: list[str]) -> None:
    if guards and not allows("evaluations.guard", writer.roles):
        raise Problem("forbidden", "The suite guards what is published: an admin, an approver or a compliance officer "
                      "changes it.")  # fmt: skip


def _read(body: NewSuite) -> Suite:
    if (body.document is None) == (body.file is None):
        raise _invalid([("/document", "either document or file is required")])
    pointer = "/document" if body.file is None else "/file/content"
    try:
        return read_suite(_content(body.file) if body.file is not None else (body.document or "").encode())
    except SuiteRefused as refused:
        raise _invalid([(pointer, f"{place or '/'}: {why}") for place, why in refused.wrong]) from None


def _content(file: SourceFile) -> bytes:
    if not file.name.lower().endswith((".yaml", ".yml")):
        raise Problem("unsupported_media_type", "A suite is a .yaml file.")
    try:
        return base64.b64decode(file.content, validate=True)
    except (ValueError, binascii.Error):
        raise _invalid([("/file/content", "is not base64")]) from None


async def _cleaned(services: Services, writer: Identity, suite: Suite) -> Cleaned:
    async with services.database.tenant(writer.tenant_id) as connection:
        rules = await versions.published(connection, REDACTION_RULES, writer.tenant_id)
        redaction = await redaction_of(connection, writer.tenant_id, rules.version)
    return await asyncio.to_thread(lambda: without_personal_data(suite, redaction, identifier()))


def _invalid(wrong: list[tuple[str, str]]) -> Problem:
    errors = [{"pointer": pointer, "detail": detail} for pointer, detail in wrong]
    return Problem("invalid_request", errors[0]["detail"], errors=errors)
