"""What a tenant decides for itself: read with an `ETag`, changed with `If-Match`, kept in versions."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Response
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from api import examples
from api.authentication import caller
from api.described import described
from api.models import SettingsChange
from api.operating import require_decides
from api.pagination import Cursor, Limit, page, position, read_cursor
from api.problems import Problem, not_found
from api.state import State
from api.tenants import acting, within_reach
from api.validation import StrictRoute, invalid_request
from helios import audit
from helios.ids import new_id
from helios.tenant_settings import TenantSettings
from helios.times import moment
from helios.tokens import Identity
from schema.tables import TenantSettingsVersion

router = APIRouter(prefix="/v1/tenants/{tenant_id}/settings", tags=["Tenants"], route_class=StrictRoute)

Reader = Annotated[Identity, Depends(caller("settings.read"))]
Changer = Annotated[Identity, Depends(caller("settings.change"))]
IfMatch = Annotated[str | None, Header(alias="If-Match", max_length=64, description="The `ETag` that was read")]

READ = "SELECT settings, settings_version FROM tenants WHERE id = :id"
FIND, LOCK = text(READ), text(f"{READ} FOR NO KEY UPDATE")
STORE = text(
    "UPDATE tenants SET settings = CAST(:settings AS jsonb), settings_version = :version, updated_at = now() "
    "WHERE id = :id"
)
BREAK_GLASS = text(
    "SELECT EXISTS (SELECT FROM users WHERE tenant_id = :tenant_id AND id = ANY(:ids) AND 'admin' = ANY(roles) "
    "AND password_hash IS NOT NULL AND deactivated_at IS NULL AND deleted_at IS NULL)"
)
VERSIONS = text(
    """
    SELECT * FROM tenant_settings WHERE tenant_id = :id
      AND (CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, CAST(:after AS uuid)))
    ORDER BY created_at DESC, id DESC LIMIT :most
    """
)


@router.get("", **described(examples.SETTINGS, "not_found"))
async def read_settings(tenant_id: UUID, services: State, reader: Reader) -> Response:
    """All settings with what was not chosen at its default. The `ETag` is their version."""
    within_reach(reader, tenant_id)
    async with services.database.tenant(tenant_id) as connection:
        row = (await connection.execute(FIND, {"id": tenant_id})).one_or_none()
    if row is None:
        not_found()
    return _shown(TenantSettings.of(row.settings), row.settings_version)


@router.patch(
    "",
    **described(
        examples.SETTINGS,
        "precondition_required",
        "precondition_failed",
        "break_glass_missing",
        "tenant_has_admin",
        "not_found",
        body={"languages": ["en", "de"], "link_domains": ["harbour.example"]},
    ),
)
async def change_settings(
    tenant_id: UUID,
    body: SettingsChange,
    services: State,
    changer: Changer,
    if_match: IfMatch = None,
) -> Response:
    """Replaces the settings that are sent, each as a whole; null sets a default again. `If-Match` keeps two people
    from undoing each other's changes."""
    within_reach(changer, tenant_id)
    if if_match is None:
        raise Problem("precondition_required")
    async with services.database.tenant(tenant_id) as connection:
        row = (await connection.execute(LOCK, {"id": tenant_id})).one_or_none()
        if row is None:
            not_found()
        if if_match != _etag(row.settings_version):
            raise Problem("precondition_failed")
        changes: dict[str, Any] = body.model_dump(exclude_unset=True)
        await require_decides(connection, changer, tenant_id, changes)
        before = TenantSettings.of(row.settings)
        after = _changed(before, changes)
        await _require_break_glass(connection, tenant_id, after)
        version = row.settings_version
        if after != before:
            version += 1
            await store_settings(connection, tenant_id, changer, after, version, sorted(changes))
    services.tenants.forget(tenant_id)
    return _shown(after, version)


@router.get("/versions", **described(examples.page(examples.SETTINGS_VERSION), "not_found"))
async def list_settings_versions(
    tenant_id: UUID, services: State, reader: Reader, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Every version that the settings had, newest first, as it was stored: without what stood at its default."""
    within_reach(reader, tenant_id)
    where = {"id": tenant_id, "most": limit + 1, **position(read_cursor(cursor))}
    async with services.database.tenant(tenant_id) as connection:
        rows = (await connection.execute(VERSIONS, where)).all()
    return JSONResponse(page(rows, limit, _version))


def _changed(before: TenantSettings, changes: dict[str, Any]) -> TenantSettings:
    kept = before.model_dump(exclude_defaults=True)
    wanted = {**kept, **changes}
    try:
        return TenantSettings.model_validate({name: value for name, value in wanted.items() if value is not None})
    except ValidationError as error:
        raise invalid_request(error.errors(include_url=False, include_input=False)) from None


async def _require_break_glass(connection: AsyncConnection, tenant_id: UUID, settings: TenantSettings) -> None:
    """Where passwords are refused, somebody must be able to mend what the provider breaks."""
    if settings.sso is None or not settings.sso.required:
        return
    named = {"tenant_id": tenant_id, "ids": list(settings.sso.break_glass)}
    if not (await connection.execute(BREAK_GLASS, named)).scalar_one():
        raise Problem("break_glass_missing")


async def store_settings(
    connection: AsyncConnection,
    tenant_id: UUID,
    changer: Identity,
    settings: TenantSettings,
    version: int,
    changed: list[str],
) -> None:
    await connection.execute(
        STORE,
        {"id": tenant_id, "version": version, "settings": settings.model_dump_json(exclude_defaults=True)},
    )
    await connection.execute(
        insert(TenantSettingsVersion).values(
            tenant_id=tenant_id, id=new_id(), version=version, settings=settings.stored(), changed_by=changer.id
        )
    )
    await audit.record(
        connection,
        tenant_id,
        "tenant.settings_changed",
        actor=acting(changer, tenant_id),
        subject=("tenant", tenant_id),
        detail={"version": version, "changed": changed},
    )


def _etag(version: int) -> str:
    return f'"{version}"'


def _shown(settings: TenantSettings, version: int) -> Response:
    return JSONResponse(
        {"version": version, "settings": settings.model_dump(mode="json")}, headers={"ETag": _etag(version)}
    )


def _version(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "version": row.version,
        "settings": row.settings,
        "changed_by": str(row.changed_by) if row.changed_by else None,
        "created_at": moment(row.created_at),
    }
