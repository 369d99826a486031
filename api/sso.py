"""A tenant's single sign-on as its settings and its sealed client secret have it, and what waits while somebody is at
the provider."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import Request
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from api.problems import Problem
from api.state import Services
from helios.crypto import TenantKeys
from helios.identity.providers import Client
from helios.identity.single_use import SingleUse
from helios.tenant_settings import SingleSignOn, TenantSettings
from schema.tables import SsoSecret

STATE_S = 600
CODE_S = 60
SECRET = "sso_secrets.secret_ct"  # noqa: S105 - a place
FIND = text("SELECT issuer, client_id, secret_ct FROM sso_secrets WHERE tenant_id = :tenant_id")
REMOVE = text("DELETE FROM sso_secrets WHERE tenant_id = :tenant_id")


@dataclass(frozen=True, slots=True)
class Configured:
    """A tenant with everything that a sign-in at its provider needs."""

    tenant_id: UUID
    slug: str
    settings: TenantSettings
    sso: SingleSignOn
    client: Client
    keys: TenantKeys


async def configured(services: Services, tenant_id: UUID) -> Configured:
    """Raises `sso_not_configured`, also where there is no such tenant."""
    tenant = await services.tenants.get(tenant_id)
    if tenant is None or not tenant.open or tenant.settings.sso is None:
        raise Problem("sso_not_configured")
    sso, keys = tenant.settings.sso, await services.keyring.tenant(tenant_id)
    async with services.database.tenant(tenant_id) as connection:
        secret = await client_secret(connection, keys, sso)
    if secret is None or not services.providers.may_ask(sso.issuer):
        raise Problem("sso_not_configured")
    return Configured(tenant_id, tenant.slug, tenant.settings, sso, Client(sso.issuer, sso.client_id, secret), keys)


async def client_secret(connection: AsyncConnection, keys: TenantKeys, sso: SingleSignOn) -> str | None:
    """The secret that was set for just this issuer and client id: a new issuer never gets the old one's."""
    row = (await connection.execute(FIND, {"tenant_id": keys.tenant_id})).one_or_none()
    if row is None or (row.issuer, row.client_id) != (sso.issuer, sso.client_id):
        return None
    return keys.open_text(row.secret_ct, SECRET, _bound_to(sso))


async def keep_secret(connection: AsyncConnection, keys: TenantKeys, sso: SingleSignOn, secret: str) -> None:
    sealed = keys.seal_text(secret, SECRET, _bound_to(sso))
    kept = {"issuer": sso.issuer, "client_id": sso.client_id, "secret_ct": sealed}
    made = upsert(SsoSecret).values(tenant_id=keys.tenant_id, **kept)
    await connection.execute(
        made.on_conflict_do_update(index_elements=["tenant_id"], set_={**kept, "updated_at": text("now()")})
    )


async def forget_secret(connection: AsyncConnection, tenant_id: UUID) -> bool:
    """False where there was none."""
    done = await connection.execute(REMOVE, {"tenant_id": tenant_id})
    return bool(done.rowcount)


def _bound_to(sso: SingleSignOn) -> str:
    return f"{sso.issuer}|{sso.client_id}"


def states(services: Services) -> SingleUse:
    """Sign-ins that are at the provider, by their `state`."""
    return SingleUse(services.valkey, "sso-state", STATE_S)


def codes(services: Services) -> SingleUse:
    """Sign-ins that are done and whose tokens nobody has fetched, by the code that the page got."""
    return SingleUse(services.valkey, "sso-code", CODE_S)


def redirect_uri(services: Services, request: Request, slug: str) -> str:
    """One for each tenant, so that one provider's answer cannot be taken for another's (RFC 9700 §4.4.2)."""
    return f"{own_origin(services, request)}/v1/auth/sso/{slug}/callback"


def own_origin(services: Services, request: Request) -> str:
    public = services.settings.public_url.rstrip("/")
    return public or f"{request.url.scheme}://{request.url.netloc}"


def page_of(services: Services, request: Request, settings: TenantSettings, return_to: str) -> str | None:
    """The page that gets the code, if it is one of ours or of an origin that the tenant has named; else None."""
    if any(character <= " " or character in '\\#<>"' or character > "~" for character in return_to):
        return None
    if return_to.startswith("/") and not return_to.startswith("//"):
        return own_origin(services, request) + return_to
    parts = urlsplit(return_to)
    origin = f"{parts.scheme}://{parts.netloc}"
    return return_to if origin in (*settings.allowed_origins, own_origin(services, request)) else None


def passwords_refused(settings: TenantSettings, user_id: UUID) -> bool:
    """Whether the tenant lets this account in at its provider only."""
    sso = settings.sso
    return sso is not None and sso.required and user_id not in sso.break_glass
