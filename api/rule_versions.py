"""Versions of rules, of whatever kind: read, compared, published, rejected, brought back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api import rule_examples as examples
from api.authentication import caller
from api.cleaning import clean
from api.deciding import deciding
from api.described import described
from api.idempotency import IdempotentRoute, resource_id
from api.models import Remarks
from api.pagination import Cursor, Limit, page, position, read_cursor
from api.problems import Problem
from api.rule_models import RulePublication
from api.state import Services, State
from helios.rules import versions
from helios.rules.versions import DraftRef, RuleKind
from helios.times import moment
from helios.tokens import Identity

Reader = Annotated[Identity, Depends(caller("rules.read"))]
Writer = Annotated[Identity, Depends(caller("rules.write"))]
Publisher = Annotated[Identity, Depends(caller("rules.publish"))]
Version = Annotated[int, Path(ge=1, le=2**31 - 1, description="The version's number")]
Against = Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Default: the published version")]

LIST = """
    SELECT * FROM {table} WHERE tenant_id = :tenant_id
      AND (CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, CAST(:after AS uuid)))
    ORDER BY created_at DESC, id DESC LIMIT :most
"""


def versions_router(
    kind: RuleKind, path: str, tag: str, whole: Mapping[str, Any], *, publishing: bool = True
) -> APIRouter:
    """The routes that every kind has. `whole` is an example of a version. `publishing`: in the way that most have."""
    router = APIRouter(prefix=path, tags=[tag], route_class=IdempotentRoute)
    _add_reading(router, kind, whole)
    if publishing:
        _add_publishing(router, kind, whole)
    _add_deciding(router, kind, whole)
    return router


async def draft(
    services: Services, kind: RuleKind, writer: Identity, request: Request, document: BaseModel, note: str | None
) -> Response:
    """Stores the document as a draft. Raises `rule_not_allowed` with every place that may not be."""
    wrong = kind.wrong(document)
    if wrong:
        errors = [{"pointer": pointer, "detail": why} for pointer, why in wrong]
        raise Problem("rule_not_allowed", errors[0]["detail"], errors=errors)
    ref = DraftRef(writer.tenant_id, resource_id(request), writer.id)
    async with deciding(services, writer) as connection:
        number = await versions.add_draft(connection, kind, ref, document, cleaned(note))
        return await shown(connection, kind, writer, number, 201)


def _add_reading(router: APIRouter, kind: RuleKind, whole: Mapping[str, Any]) -> None:
    @router.get("", **described(examples.page(examples.VERSION), "forbidden", "invalid_cursor", about="The versions"))
    async def list_versions(services: State, reader: Reader, limit: Limit = 50, cursor: Cursor = None) -> Response:
        """The tenant's versions, newest first. Version 1 is what the product ships."""
        where = {"tenant_id": reader.tenant_id, "most": limit + 1, **position(read_cursor(cursor))}
        async with services.database.tenant(reader.tenant_id) as connection:
            rows = (await connection.execute(text(LIST.format(table=kind.table)), where)).all()
        return JSONResponse(page(rows, limit, _listed))

    @router.get("/{version:int}", **described(whole, "forbidden", "not_found", about="The version"))
    async def read_version(version: Version, services: State, reader: Reader) -> Response:
        """A version: what it changes, and all that is in force with it."""
        async with deciding(services, reader) as connection:
            return await shown(connection, kind, reader, version)

    @router.get("/{version:int}/diff", **described(examples.DIFF, "forbidden", "not_found", about="What changes"))
    async def compare_versions(version: Version, services: State, reader: Reader, against: Against = None) -> Response:
        """What would be different with this version, from the one in force or from the one that is named."""
        async with deciding(services, reader) as connection:
            after = await versions.find(connection, kind, reader.tenant_id, version)
            if against is None:
                before = await versions.published(connection, kind, reader.tenant_id)
            else:
                before = await versions.find(connection, kind, reader.tenant_id, against)
        changes = list(_changes(_effective(kind, before), _effective(kind, after)))
        return JSONResponse({"from": before.version, "to": version, "changes": changes})


ERRORS = ("forbidden", "not_found", "version_conflict")


def _add_publishing(router: APIRouter, kind: RuleKind, whole: Mapping[str, Any]) -> None:
    published = {**whole, "status": "published"}

    @router.post(
        "/{version:int}/publish",
        **described(
            published, *ERRORS, "four_eyes", "evaluation_required",
            body={"note": "As agreed.", "force": False, "replaces": None}, about="The version, in force",
        ),
    )  # fmt: skip
    async def publish_version(
        version: Version, services: State, publisher: Publisher, body: RulePublication | None = None
    ) -> Response:
        """Puts a draft into force from the next turn on. Whoever wrote it may not. Where a suite guards it, that has
        passed over exactly this; else it needs `force`, and a `note` that says why. Where another version has come
        into force since it was drafted (`based_on`), it is refused, unless `replaces` names that one.
        """
        asked = body or RulePublication()
        async with deciding(services, publisher) as connection:
            who, note = (publisher.tenant_id, version, publisher.id), cleaned(asked.note)
            await versions.publish(connection, kind, *who, note, force=asked.force, replaces=asked.replaces)
            return await shown(connection, kind, publisher, version)


def _add_deciding(router: APIRouter, kind: RuleKind, whole: Mapping[str, Any]) -> None:
    published = {**whole, "status": "published"}

    @router.post(
        "/{version:int}/reject",
        **described({**whole, "status": "rejected"}, *ERRORS, body={"note": "Too broad."}, about="The version"),
    )
    async def reject_version(
        version: Version, services: State, writer: Writer, body: Remarks | None = None
    ) -> Response:
        """Ends a draft. Its author may do so too, to take it back."""
        async with deciding(services, writer) as connection:
            await versions.reject(connection, kind, writer.tenant_id, version, writer.id, _note(body))
            return await shown(connection, kind, writer, version)

    @router.post(
        "/{version:int}/rollback",
        **described(published, *ERRORS, "four_eyes", body={"note": "Too many alarms."}, about="The version, in force"),
    )
    async def roll_back_to(
        version: Version, services: State, publisher: Publisher, body: Remarks | None = None
    ) -> Response:
        """Puts a superseded version into force again. Whoever wrote it may not."""
        async with deciding(services, publisher) as connection:
            note = _note(body)
            await versions.roll_back(connection, kind, publisher.tenant_id, version, publisher.id, note)
            return await shown(connection, kind, publisher, version)


async def shown(
    connection: AsyncConnection, kind: RuleKind, reader: Identity, version: int, status: int = 200
) -> Response:
    row = await versions.find(connection, kind, reader.tenant_id, version)
    whole = {"definition": row.definition, "effective": _effective(kind, row), **kind.shown(row)}
    return JSONResponse({**_listed(row), **whole}, status)


def _effective(kind: RuleKind, row: Any) -> dict[str, Any]:
    return kind.effective(kind.document.model_validate(row.definition))


def _listed(row: Any) -> dict[str, Any]:
    return {
        **{name: getattr(row, name) for name in ("version", "status", "based_on", "note", "review_note")},
        **{name: moment(getattr(row, name)) for name in ("created_at", "published_at", "rejected_at")},
        **{name: _id(getattr(row, name)) for name in ("id", "created_by", "published_by", "rejected_by")},
    }


def _changes(before: Any, after: Any, pointer: str = "") -> Iterator[dict[str, Any]]:
    """Every value that is different, by JSON pointer; lists are compared as a whole."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys((*before, *after)):
            yield from _changes(before.get(name), after.get(name), f"{pointer}/{name}")
    elif before != after:
        yield {"pointer": pointer, "before": before, "after": after}


def _note(body: Remarks | None) -> str | None:
    return cleaned(body.note) if body is not None else None


def cleaned(note: str | None) -> str | None:
    return clean(note) if note else None


def _id(value: object) -> str | None:
    return str(value) if value is not None else None
