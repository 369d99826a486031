"""Staying signed in, and ending it: here, elsewhere, everywhere."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text

from api.auth.answers import NO_STORE, TOKENS, Anybody, tokens
from api.authentication import ROLES_NOW
from api.described import ID, TIME, described
from api.models import Refresh
from api.pagination import Cursor, Limit, page, read_cursor
from api.problems import Problem, not_found
from api.state import State
from api.validation import StrictRoute
from helios import audit, ended_tokens
from helios.crypto import CryptoError, TenantKeys
from helios.identity import sessions
from helios.identity.sessions import Outcome
from helios.times import moment
from helios.tokens import Identity

router = APIRouter(route_class=StrictRoute)

INVALID = "The refresh token is not valid any more: sign in again."
SESSION: dict[str, Any] = {
    "id": ID, "current": True, "user_agent": "Mozilla/5.0 …", "address": "192.0.2.7", "created_at": TIME,
    "last_used_at": TIME, "expires_at": TIME,
}  # fmt: skip
LIST = text(
    """
    SELECT * FROM sessions WHERE tenant_id = :tenant_id AND user_id = :user_id AND revoked_at IS NULL
        AND expires_at > now() AND last_used_at > now() - CAST(:idle AS interval)
        AND (CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, CAST(:after AS uuid)))
    ORDER BY created_at DESC, id DESC LIMIT :most
    """
)


@router.post(
    "/refresh",
    summary="Renew the access token",
    **described(
        TOKENS,
        *("unauthenticated", "tenant_suspended", "invalid_request", "dependency_unavailable"),
        body={"refresh_token": TOKENS["refresh_token"]},
    ),
)
async def refresh(body: Refresh, request: Request, services: State) -> Response:
    """A new access token and a new refresh token for the newest one. Where the answer was lost, the same request within
    10 s gives the same refresh token again; any other reuse ends the session."""
    token = sessions.parse_refresh_token(body.refresh_token)
    if token is None:
        raise Problem("unauthenticated", INVALID)
    try:
        keys = await services.keyring.tenant(token.tenant_id)
    except CryptoError:  # no such tenant
        raise Problem("unauthenticated", INVALID) from None
    tenant = await services.tenants.get(token.tenant_id)
    async with services.database.tenant(token.tenant_id) as connection:
        found = await sessions.refresh(connection, keys, token)
        if found.user_id is not None:  # the token is one that we gave: a refusal is noted as theirs
            request.state.identity = Identity(token.tenant_id, found.user_id, "user", frozenset(), found.session_id)
        if found.token and tenant is not None and tenant.suspended:
            raise Problem("tenant_suspended")  # which takes the turning over back: the token is good when it is resumed
        where = {"tenant_id": token.tenant_id, "id": found.session_id, "user_id": found.user_id, "idle": sessions.IDLE}
        now = (await connection.execute(ROLES_NOW, where)).one_or_none() if found.token else None
        if found.outcome is Outcome.RENEWED and now is not None:
            await audit.record(connection, token.tenant_id, "auth.refreshed", actor=("user", found.user_id),
                               subject=("session", found.session_id))  # fmt: skip
    if now is None or found.user_id is None or tenant is None or tenant.deleted:
        raise Problem("unauthenticated", INVALID)
    identity = Identity(token.tenant_id, found.user_id, "user", frozenset(now.roles), found.session_id)
    return tokens(services, identity, found.token)


@router.post("/logout", summary="Sign out", **described(None, "unauthenticated", status=204, about="Signed out"))
async def logout(services: State, caller: Anybody) -> Response:
    """Ends this session: its tokens are refused from now on, its streams close within seconds. A customer has one
    session: all tokens that the tenant's backend has asked for until now end."""
    async with services.database.tenant(caller.tenant_id) as connection:
        if caller.kind == "customer":
            await ended_tokens.end(connection, caller.tenant_id, caller.id, reason="logout",
                                   actor=(caller.kind, caller.id))  # fmt: skip
        else:
            await sessions.revoke(connection, caller.tenant_id, caller.id, caller.session_id, reason="logout",
                                  actor=(caller.kind, caller.id))  # fmt: skip
    services.ended_tokens.look_again(caller.tenant_id)
    return Response(status_code=204)


@router.post(
    "/logout-all",
    summary="Sign out everywhere",
    **described({"ended": 3}, "unauthenticated", about="How many sessions have ended, this one among them"),
)
async def logout_all(services: State, caller: Anybody) -> Response:
    """Ends every session of the account; a customer's one."""
    if caller.kind == "customer":
        await logout(services, caller)
        return JSONResponse({"ended": 1}, headers=NO_STORE)
    async with services.database.tenant(caller.tenant_id) as connection:
        ended = await sessions.revoke_all(connection, caller.tenant_id, caller.id, reason="logout_all",
                                          actor=(caller.kind, caller.id))  # fmt: skip
    return JSONResponse({"ended": ended}, headers=NO_STORE)


@router.get(
    "/sessions",
    summary="List your sessions",
    **described({"items": [SESSION], "next_cursor": None}, "unauthenticated", "invalid_cursor", about="The sessions"),
)
async def list_sessions(services: State, caller: Anybody, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """The sessions of the account that stand, newest first, each with the client that opened it."""
    at, after = read_cursor(cursor) or (None, None)
    keys = await services.keyring.tenant(caller.tenant_id)
    async with services.database.tenant(caller.tenant_id) as connection:
        asked = {"tenant_id": caller.tenant_id, "user_id": caller.id, "idle": sessions.IDLE}
        rows = (await connection.execute(LIST, {**asked, "at": at, "after": after, "most": limit + 1})).all()
    return JSONResponse(page(rows, limit, lambda row: _shown(row, keys, caller)), headers=NO_STORE)


@router.delete(
    "/sessions/{session_id}",
    summary="End one of your sessions",
    **described(None, "unauthenticated", "not_found", status=204, about="The session has ended"),
)
async def end_session(session_id: UUID, services: State, caller: Anybody) -> Response:
    """Signs out a device that you have lost or do not know."""
    async with services.database.tenant(caller.tenant_id) as connection:
        ended = await sessions.revoke(connection, caller.tenant_id, caller.id, session_id, reason="ended_by_owner",
                                      actor=(caller.kind, caller.id))  # fmt: skip
    if not ended:
        not_found()
    return Response(status_code=204)


def _shown(row: Any, keys: TenantKeys, caller: Identity) -> dict[str, Any]:
    client = keys.open_json(row.client_ct, sessions.CLIENT, row.id) if row.client_ct is not None else {}
    return {
        "id": str(row.id),
        "current": row.id == caller.session_id,
        "user_agent": client.get("user_agent", ""),
        "address": client.get("address", ""),
        "created_at": moment(row.created_at),
        "last_used_at": moment(row.last_used_at),
        "expires_at": moment(row.expires_at),
    }
