"""The end of a single sign-on: tokens for the code that the page got; and its other end, at both places."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from authlib.common.urls import add_params_to_uri
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text

from api import sso
from api.auth.answers import NO_STORE, TOKENS, Anybody, tokens
from api.auth.codes import refused_is_noted
from api.auth.login import client_of, counted
from api.auth.mfa import prove_code
from api.auth.sso import proves
from api.described import described
from api.models import SsoCode, SsoReturn
from api.problems import Problem
from api.state import Services, State
from api.validation import StrictRoute
from helios import audit
from helios.crypto import CryptoError, TenantKeys
from helios.identity import lockout, second_factor, sessions
from helios.identity.providers import ProviderError
from helios.identity.single_use import tenant_of
from helios.tokens import Identity

router = APIRouter(prefix="/sso", route_class=StrictRoute)

USER = text(
    "SELECT * FROM users WHERE tenant_id = :tenant_id AND id = :id AND deleted_at IS NULL AND deactivated_at IS NULL"
)


@router.post(
    "/token",
    summary="Get the tokens of a single sign-on",
    **described(
        TOKENS,
        *("invalid_sso_code", "otp_required", "invalid_otp", "account_locked", "invalid_request"),
        "dependency_unavailable",
        body={"code": "019a0000….3kZq…", "verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"},
    ),
)
async def exchange(body: SsoCode, request: Request, services: State) -> Response:
    """Takes the code of `#sso_code=` once, from the page that knows the verifier. Where the account has a second factor
    here and the provider did not say that it asked for one (`amr` with `mfa`), `otp` is needed as in `login`; the code
    stays good until it is right."""
    async with refused_is_noted(services, body.code, "/v1/auth/sso/token"):
        return await _exchange(body, request, services)


async def _exchange(body: SsoCode, request: Request, services: Services) -> Response:
    keys = await _keys_of(services, body.code)
    async with counted():
        waiting = await sso.codes(services).look(keys, body.code)
    if waiting is None or not proves(body.verifier, waiting["challenge"]):
        raise Problem("invalid_sso_code")
    user = await _user(services, keys, UUID(waiting["user_id"]))
    if not waiting["factor"]:
        await _second_factor(services, keys, user, body.otp)
    async with counted():
        if await sso.codes(services).take(keys, body.code) is None:
            raise Problem("invalid_sso_code")
    return await _signed_in(services, request, keys, user, factor=waiting["factor"])


@router.post(
    "/logout",
    summary="Sign out here and at the tenant's provider",
    **described(
        {"url": "https://login.harbour.example/logout?client_id=helioscs"},
        *("unauthenticated", "invalid_request"),
        body={"return_to": "/chat"},
        about="This session has ended. Where to send the browser to sign out there as well; null where that is unknown",
    ),
)
async def log_out(body: SsoReturn, request: Request, services: State, caller: Anybody) -> Response:
    """Ends this session as `logout` does, whatever the provider says (OpenID Connect RP-Initiated Logout 1.0)."""
    async with services.database.tenant(caller.tenant_id) as connection:
        await sessions.revoke(connection, caller.tenant_id, caller.id, caller.session_id, reason="logout",
                              actor=(caller.kind, caller.id))  # fmt: skip
    return JSONResponse({"url": await _end_session_url(services, request, caller, body.return_to)}, headers=NO_STORE)


async def _end_session_url(services: Services, request: Request, caller: Identity, return_to: str | None) -> str | None:
    try:
        found = await sso.configured(services, caller.tenant_id)
        end = (await services.providers.metadata(found.sso.issuer)).end_session_endpoint
    except (Problem, ProviderError):
        return None
    if end is None:
        return None
    page = sso.page_of(services, request, found.settings, return_to or "")
    known = {"client_id": found.client.id, "post_logout_redirect_uri": page}
    url: str = add_params_to_uri(end, {name: value for name, value in known.items() if value is not None})
    return url


async def _keys_of(services: Services, code: str) -> TenantKeys:
    tenant_id = tenant_of(code)
    tenant = None if tenant_id is None else await services.tenants.get(tenant_id)
    if tenant_id is None or tenant is None or not tenant.open:
        raise Problem("invalid_sso_code")
    try:
        return await services.keyring.tenant(tenant_id)
    except CryptoError:  # it is gone meanwhile
        raise Problem("invalid_sso_code") from None


async def _user(services: Services, keys: TenantKeys, user_id: UUID) -> Any:
    async with services.database.tenant(keys.tenant_id) as connection:
        row = (await connection.execute(USER, {"tenant_id": keys.tenant_id, "id": user_id})).one_or_none()
    if row is None:
        raise Problem("invalid_sso_code")
    return row


async def _second_factor(services: Services, keys: TenantKeys, user: Any, otp: str | None) -> None:
    async with services.database.tenant(keys.tenant_id) as connection:
        enrolled = await second_factor.is_enrolled(connection, keys.tenant_id, user.id)
    if enrolled and otp is None:
        raise Problem("otp_required")
    if enrolled and otp is not None:
        subject = lockout.device(lockout.member(user.id), "sso")
        await prove_code(services, subject, keys, user, otp)


async def _signed_in(services: Services, request: Request, keys: TenantKeys, user: Any, *, factor: bool) -> Response:
    async with services.database.tenant(keys.tenant_id) as connection:
        session_id, refresh_token = await sessions.open_session(
            connection, keys, user.id, client_of(request), by_sso=True, provider_factor=factor
        )
        me = ("user", user.id)
        await audit.record(connection, keys.tenant_id, "auth.login", actor=("user", user.id), subject=me,
                           detail={"session_id": str(session_id), "method": "sso"})  # fmt: skip
    identity = Identity(keys.tenant_id, user.id, "user", frozenset(user.roles), session_id)
    return tokens(services, identity, refresh_token)
