"""Who is calling, and whether they may: one dependency for every route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import text

from api.permissions import PERMISSIONS, allows
from api.problems import Problem
from api.state import Services, State
from api.tickets import redeem
from helios.tokens import Identity, TokenError

BEARER = HTTPBearer(auto_error=False, bearerFormat="JWT", description="An access token of staff or of a customer")
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
CHALLENGE = {"WWW-Authenticate": "Bearer"}
REVOKED = text(
    "SELECT revoked_at IS NOT NULL OR expires_at < now() FROM sessions WHERE tenant_id = :tenant_id AND id = :id"
)


def identify(services: Services, token: str) -> Identity:
    """Raises a 401 problem for a token that is not ours, or not any more."""
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
        identity = identify(services, bearer.credentials)
        if not allows(permission, identity.roles):
            raise Problem("forbidden", f"This takes one of the roles {', '.join(sorted(PERMISSIONS[permission]))}.")
        request.state.identity = identity
        return identity

    check.permission = permission  # type: ignore[attr-defined]
    return check


def stream_caller(permission: str) -> Callable[..., Awaitable[Identity]]:
    """The same for streams, which a browser may open with a single-use ticket instead of a header."""

    async def check(request: Request, services: State, bearer: Bearer, ticket: str | None = None) -> Identity:
        if bearer is None and ticket is not None:
            identity = await redeem(services, ticket)
        elif bearer is not None:
            identity = identify(services, bearer.credentials)
        else:
            raise Problem("unauthenticated", headers=CHALLENGE)
        await require_stream(services, identity, permission)
        request.state.identity = identity
        return identity

    check.permission = permission  # type: ignore[attr-defined]
    return check


async def require_stream(services: Services, identity: Identity, permission: str) -> None:
    """A stream outlives its token, so it asks for a session that still stands, too."""
    if not allows(permission, identity.roles):
        raise Problem("forbidden")
    if not await session_is_live(services, identity):
        raise Problem("unauthenticated", "The session has ended: sign in again.", headers=CHALLENGE)


async def session_is_live(services: Services, identity: Identity) -> bool:
    """Whether a staff session still stands; customers have none of their own."""
    if identity.kind == "customer":
        return True
    async with services.database.tenant(identity.tenant_id) as connection:
        where = {"tenant_id": identity.tenant_id, "id": identity.session_id}
        revoked = (await connection.execute(REVOKED, where)).scalar_one_or_none()
    return revoked is False
