"""The part of a tenant's single sign-on that is no setting: its client secret, sealed and never shown again."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from api import examples, sso
from api.authentication import caller
from api.described import described
from api.models import ClientSecret
from api.operating import require_decides
from api.problems import Problem, not_found
from api.state import Services, State
from api.tenants import acting, within_reach
from api.validation import StrictRoute
from helios import audit
from helios.tenant_settings import SingleSignOn
from helios.tenants import TenantState
from helios.tokens import Identity

# What is sent here is a secret: it is never stored, so no idempotency key can bring it back.
router = APIRouter(prefix="/v1/tenants/{tenant_id}/sso", tags=["Tenants"], route_class=StrictRoute)

Reader = Annotated[Identity, Depends(caller("settings.read"))]
Changer = Annotated[Identity, Depends(caller("settings.change"))]


@router.get("", **described(examples.SSO, "sso_not_configured", "not_found"))
async def read_sso(tenant_id: UUID, request: Request, services: State, reader: Reader) -> Response:
    """What the provider must be told, and whether the secret of the issuer and client id in force is set."""
    tenant, found = await _settings(services, reader, tenant_id)
    keys = await services.keyring.tenant(tenant_id)
    async with services.database.tenant(tenant_id) as connection:
        is_set = await sso.client_secret(connection, keys, found) is not None
    shown = {"issuer": found.issuer, "client_id": found.client_id, "client_secret_set": is_set}
    return JSONResponse({**shown, "redirect_uri": sso.redirect_uri(services, request, tenant.slug)})


@router.put(
    "/client-secret",
    **described(
        None,
        *("sso_not_configured", "tenant_has_admin", "not_found"),
        status=204,
        body={"client_secret": "out of the provider"},
    ),
)
async def set_client_secret(tenant_id: UUID, body: ClientSecret, services: State, changer: Changer) -> Response:
    """Keeps the secret for the issuer and client id that the setting `sso` has now; a change of those asks for it
    again. It is never shown."""
    _, found = await _settings(services, changer, tenant_id)
    keys = await services.keyring.tenant(tenant_id)
    async with services.database.tenant(tenant_id) as connection:
        await require_decides(connection, changer, tenant_id, ["sso"])
        await sso.keep_secret(connection, keys, found, body.client_secret)
        await _tell(connection, changer, tenant_id, "tenant.sso_secret_set")
    return Response(status_code=204)


@router.delete("/client-secret", **described(None, "tenant_has_admin", "not_found", status=204))
async def remove_client_secret(tenant_id: UUID, services: State, changer: Changer) -> Response:
    """From now on nobody signs in at the provider."""
    within_reach(changer, tenant_id)
    async with services.database.tenant(tenant_id) as connection:
        await require_decides(connection, changer, tenant_id, ["sso"])
        if not await sso.forget_secret(connection, tenant_id):
            not_found()
        await _tell(connection, changer, tenant_id, "tenant.sso_secret_removed")
    return Response(status_code=204)


async def _settings(services: Services, identity: Identity, tenant_id: UUID) -> tuple[TenantState, SingleSignOn]:
    within_reach(identity, tenant_id)
    services.tenants.forget(tenant_id)  # the setting may have been changed a moment ago, by another process
    tenant = await services.tenants.get(tenant_id)
    if tenant is None or tenant.deleted:
        not_found()
    if tenant.settings.sso is None:
        raise Problem("sso_not_configured", "Set the tenant's setting `sso` first.")
    return tenant, tenant.settings.sso


async def _tell(connection: object, changer: Identity, tenant_id: UUID, action: str) -> None:
    await audit.record(connection, tenant_id, action, actor=acting(changer, tenant_id), subject=("tenant", tenant_id))  # type: ignore[arg-type]
