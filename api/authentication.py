"""Who is calling, and whether they may: one dependency for every route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request
from fastapi.routing import APIRoute, APIWebSocketRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import text
from starlette.requests import HTTPConnection

from api.counting import ReadToken
from api.permissions import PERMISSIONS, allows
from api.problems import Problem
from api.state import Services, State
from api.tickets import redeem
from helios.identity.sessions import IDLE
from helios.tokens import Identity, TokenError

BEARER = HTTPBearer(auto_error=False, bearerFormat="JWT", description="An access token of staff or of a customer")
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
CHALLENGE = {"WWW-Authenticate": "Bearer"}
ENDED = "The session has ended: sign in again."
ENDED_EARLY = "The access token has ended: take a new one."
ROLES_NOW = text(
    """
    SELECT users.roles,
        coalesce(tenants.settings->'mfa_required_roles', '[]'::jsonb) ?| users.roles
        AND NOT sessions.provider_factor AND NOT EXISTS (
            SELECT FROM second_factors AS factor WHERE factor.tenant_id = users.tenant_id
            AND factor.user_id = users.id AND factor.confirmed_at IS NOT NULL) AS enrolling
    FROM sessions
    JOIN users ON users.tenant_id = sessions.tenant_id AND users.id = sessions.user_id
    JOIN tenants ON tenants.id = sessions.tenant_id
    WHERE sessions.tenant_id = :tenant_id AND sessions.id = :id AND sessions.user_id = :user_id
      AND sessions.revoked_at IS NULL AND sessions.expires_at > now()
      AND sessions.last_used_at > now() - CAST(:idle AS interval)
      AND users.deactivated_at IS NULL AND users.deleted_at IS NULL
      AND (sessions.by_sso OR tenants.settings->'sso'->'required' IS DISTINCT FROM 'true'::jsonb
           OR tenants.settings->'sso'->'break_glass' ? CAST(users.id AS text))
    """
)


def identify(services: Services, connection: HTTPConnection, token: str) -> Identity:
    """Raises a 401 problem for a token that is not ours, or not any more."""
    read: ReadToken | None = getattr(connection.state, "read_token", None)
    if read is not None and read.token == token:
        return read.identity
    try:
        return services.tokens.read(token)
    except TokenError:
        raise Problem("unauthenticated", headers=CHALLENGE) from None


def caller(permission: str) -> Callable[..., Awaitable[Identity]]:
    """A dependency: the caller, if their roles hold the permission."""
    assert permission in PERMISSIONS, permission

    async def check(request: Request, services: State, bearer: Bearer) -> Identity:
        if bearer is None:
            raise Problem("unauthenticated", headers=CHALLENGE)
        identity = identify(services, request, bearer.credentials)
        request.state.identity = identity
        identity = request.state.identity = await admit(services, identity)
        require_enrolled(identity, permission)
        if not allows(permission, identity.roles):
            raise Problem("forbidden", f"This takes one of the roles {', '.join(sorted(PERMISSIONS[permission]))}.")
        request.state.permission = permission
        return identity

    check.permission = permission  # type: ignore[attr-defined]
    return check


def asked_by(route: object) -> Iterator[str]:
    """The permissions that a route's dependencies ask for, or itself."""
    dependants = [route.dependant] if isinstance(route, APIRoute | APIWebSocketRoute) else []
    while dependants:
        each = dependants.pop()
        if (permission := getattr(each.call, "permission", None)) is not None:
            yield permission
        dependants += each.dependencies


def stream_caller(permission: str) -> Callable[..., Awaitable[Identity]]:
    """The same for streams, which a browser may open with a single-use ticket instead of a header."""

    async def check(request: Request, services: State, bearer: Bearer, ticket: str | None = None) -> Identity:
        if bearer is None and ticket is not None:
            identity = await redeem(services, ticket)
        elif bearer is not None:
            identity = identify(services, request, bearer.credentials)
        else:
            raise Problem("unauthenticated", headers=CHALLENGE)
        request.state.identity = identity
        identity = request.state.identity = await require_stream(services, identity, permission)
        request.state.permission = permission
        return identity

    check.permission = permission  # type: ignore[attr-defined]
    return check


async def require_stream(services: Services, identity: Identity, permission: str) -> Identity:
    """The same without a request: for what opens a stream in its own way."""
    now = await admit(services, identity)
    require_enrolled(now, permission)
    if not allows(permission, now.roles):
        raise Problem("forbidden")
    return now


async def admit(services: Services, identity: Identity) -> Identity:
    """The identity with the roles of this moment: a token is older than a suspension, a demotion or a sign-out.

    Raises a 401 or 403 problem where the tenant, the account or the session is none any more.
    """
    tenant = await services.tenants.get(identity.tenant_id)
    if tenant is None or tenant.deleted:
        raise Problem("unauthenticated", headers=CHALLENGE)
    if tenant.suspended:
        raise Problem("tenant_suspended")
    if identity.expires_at is not None and identity.expires_at <= datetime.now(UTC):
        raise Problem("unauthenticated", ENDED_EARLY, headers=CHALLENGE)
    if identity.kind == "customer":
        if await services.ended_tokens.include(identity):
            raise Problem("unauthenticated", ENDED_EARLY, headers=CHALLENGE)
        return identity
    where = {"tenant_id": identity.tenant_id, "id": identity.session_id, "user_id": identity.id, "idle": IDLE}
    async with services.database.tenant(identity.tenant_id) as connection:
        now = (await connection.execute(ROLES_NOW, where)).one_or_none()
    if now is None:
        raise Problem("unauthenticated", ENDED, headers=CHALLENGE)
    return replace(identity, roles=frozenset(now.roles), enrolling=now.enrolling)


def require_enrolled(identity: Identity, permission: str) -> None:
    """Where a second factor is required and missing, one's own account is all that is open: there it is set up."""
    if identity.enrolling and permission != "account.own":
        raise Problem("mfa_enrolment_required")


async def why_ended(services: Services, identity: Identity) -> Problem | None:
    """Why a stream that was opened by this identity may not go on; None: it may."""
    try:
        await admit(services, identity)
    except Problem as problem:
        return problem
    return None
