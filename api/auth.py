"""Signing in: staff by password, customers by the tenant's own backend."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Response
from fastapi.responses import JSONResponse
from sqlalchemy import insert, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from api import lockout, tickets
from api.authentication import caller
from api.cleaning import clean, clean_map
from api.models import CustomerToken, Refresh, SignIn
from api.problems import Problem
from api.state import Services, State
from api.validation import StrictRoute
from helios import audit
from helios.crypto import token_hash
from helios.ids import new_id
from helios.passwords import check_password
from helios.tokens import CUSTOMER_LIFETIME, LIFETIME, Identity
from schema.tables import Customer, Session

router = APIRouter(prefix="/v1", tags=["Sign-in"], route_class=StrictRoute)

NO_STORE = {"Cache-Control": "no-store"}
SESSION_ABSOLUTE = timedelta(hours=12)
SESSION_IDLE = timedelta(minutes=30)
PROFILE = "customers.profile_ct"

TENANT = text("SELECT id FROM tenants WHERE slug = :slug AND deleted_at IS NULL")
USER = text("SELECT * FROM users WHERE tenant_id = :tenant_id AND email = :email AND deleted_at IS NULL")
USER_BY_ID = text("SELECT * FROM users WHERE tenant_id = :tenant_id AND id = :id AND deleted_at IS NULL")
LOCKED = text("SELECT locked_until - now() FROM users WHERE tenant_id = :tenant_id AND id = :id FOR UPDATE")
FAILED = text(
    """
    UPDATE users SET failed_logins = failed_logins + 1,
        locked_until = CASE WHEN failed_logins + 1 >= :free THEN now() + make_interval(secs =>
            least(:first * power(2, least(failed_logins + 1 - :free, 10)), :most)) END
    WHERE tenant_id = :tenant_id AND id = :id RETURNING failed_logins
    """
)
SUCCEEDED = text("UPDATE users SET failed_logins = 0, locked_until = NULL WHERE tenant_id = :tenant_id AND id = :id")
SESSION = text("SELECT * FROM sessions WHERE tenant_id = :tenant_id AND id = :id FOR UPDATE")
ROTATE = text(
    "UPDATE sessions SET refresh_hash = :refresh_hash, last_used_at = now() WHERE tenant_id = :tenant_id AND id = :id"
)
REVOKE = text("UPDATE sessions SET revoked_at = coalesce(revoked_at, now()) WHERE tenant_id = :tenant_id AND id = :id")
API_KEY = text(
    "SELECT id, expires_at FROM api_keys WHERE tenant_id = :tenant_id AND id = :id AND deleted_at IS NULL "
    "AND (expires_at IS NULL OR expires_at > now())"
)
API_KEY_TENANT = text("SELECT tenant_id, api_key_id FROM api_key_index WHERE key_hash = :key_hash")

Anybody = Annotated[Identity, Depends(caller("account.own"))]


@router.post("/auth/login")
async def login(body: SignIn, services: State) -> Response:
    """Signs a member of staff in. Wrong tenant, e-mail and password are answered alike, in the same time."""
    async with services.database.platform() as connection:
        tenant_id = (await connection.execute(TENANT, {"slug": body.tenant.lower()})).scalar_one_or_none()
    user = await _find_user(services, tenant_id, body.email) if tenant_id is not None else None
    right = await check_password(body.password, user.password_hash if user else None)
    if user is None:
        await lockout.fail_for_nobody(services, body.tenant, body.email)
        raise Problem("invalid_credentials")
    signed_in = await _sign_in(services, user, right)
    if signed_in is None:
        raise Problem("invalid_credentials")
    return _tokens(services, *signed_in)


async def _sign_in(services: Services, user: Any, right: bool) -> tuple[Identity, str] | None:
    """Counts a failure or opens a session. Looks at the lock here, under the row's own: guesses come side by side."""
    where = {"tenant_id": user.tenant_id, "id": user.id}
    async with services.database.tenant(user.tenant_id) as connection:
        left = (await connection.execute(LOCKED, where)).scalar_one()
        if left is not None and left > timedelta():
            raise lockout.locked(left.total_seconds())
        if not right:
            failures = (await connection.execute(FAILED, {**where, **lockout.TERMS})).scalar_one()
            await _audit(connection, "auth.login_failed", user.tenant_id, user.id, {"failures": failures})
            return None
        await connection.execute(SUCCEEDED, where)
        identity, refresh_token = await _new_session(connection, user)
        await _audit(connection, "auth.login", user.tenant_id, user.id, {"session_id": str(identity.session_id)})
        return identity, refresh_token


@router.post("/auth/refresh")
async def refresh(body: Refresh, services: State) -> Response:
    """A new access token and a new refresh token for an old one. An old one used twice ends the session."""
    tenant_id, session_id = _parse_refresh(body.refresh_token)
    renewed: tuple[Identity, str] | None = None
    async with services.database.tenant(tenant_id) as connection:
        where = {"tenant_id": tenant_id, "id": session_id}
        session = (await connection.execute(SESSION, where)).one_or_none()
        if session is not None and _stands(session):
            if session.refresh_hash != token_hash(body.refresh_token):
                await connection.execute(REVOKE, where)
                await _audit(
                    connection, "auth.refresh_reused", tenant_id, session.user_id, {"session_id": str(session_id)}
                )
            else:
                user = (await connection.execute(USER_BY_ID, {**where, "id": session.user_id})).one_or_none()
                if user is not None:
                    token = _refresh_token(tenant_id, session_id)
                    await connection.execute(ROTATE, {**where, "refresh_hash": token_hash(token)})
                    renewed = Identity(tenant_id, user.id, "user", frozenset(user.roles), session_id), token
    if renewed is None:
        raise Problem("unauthenticated", "The refresh token is not valid any more: sign in again.")
    return _tokens(services, *renewed)


@router.post("/auth/logout", status_code=204)
async def logout(services: State, caller: Anybody) -> Response:
    """Ends this session; its streams close within seconds."""
    async with services.database.tenant(caller.tenant_id) as connection:
        await connection.execute(REVOKE, {"tenant_id": caller.tenant_id, "id": caller.session_id})
        who = (caller.kind, caller.id)
        await audit.record(connection, caller.tenant_id, "auth.logout", actor=who, subject=who,
                           detail={"session_id": str(caller.session_id)})  # fmt: skip
    return Response(status_code=204)


@router.get("/auth/me")
async def me(caller: Anybody) -> Response:
    """Who this token speaks for."""
    return JSONResponse(
        {"id": str(caller.id), "tenant_id": str(caller.tenant_id), "kind": caller.kind, "roles": sorted(caller.roles)},
        headers=NO_STORE,
    )


@router.post("/auth/stream-tickets", status_code=201)
async def create_stream_ticket(services: State, caller: Anybody) -> Response:
    """A ticket for one EventSource or WebSocket, good once and for 30 s."""
    ticket = await tickets.issue(services, caller)
    return JSONResponse({"ticket": ticket, "expires_in": tickets.LIFETIME_S}, 201, NO_STORE)


@router.post("/customer-tokens")
async def create_customer_token(
    body: CustomerToken,
    services: State,
    api_key: Annotated[str | None, Header(alias="X-API-Key", max_length=256)] = None,
) -> Response:
    """A tenant's backend signs one of its customers in. The same `external_id` is the same customer."""
    tenant_id, key_id = await _api_key(services, api_key)
    return JSONResponse(await sign_customer_in(services, tenant_id, body, ("api_key", key_id)), headers=NO_STORE)


async def sign_customer_in(
    services: Services, tenant_id: UUID, body: CustomerToken, actor: tuple[audit.ActorType, UUID | None]
) -> dict[str, Any]:
    """Finds or makes the customer, and signs a token for them."""
    keys = await services.keyring.tenant(tenant_id)
    customer_id = new_id()
    index = keys.blind_index(body.external_id, "customers.external_id")
    locale = clean(body.locale) if body.locale else None
    profile = {name: clean_map(value) if isinstance(value, dict) else clean(value)
               for name, value in body.model_dump(exclude_none=True).items()}  # fmt: skip
    async with services.database.tenant(tenant_id) as connection:
        made = await connection.execute(
            upsert(Customer)
            .values(
                tenant_id=tenant_id,
                id=customer_id,
                external_id_index=index,
                profile_ct=keys.seal_json(profile, PROFILE, customer_id),
                locale=locale,
            )
            .on_conflict_do_update(index_elements=["tenant_id", "external_id_index"], set_={"deleted_at": None})
            .returning(Customer.id)  # type: ignore[call-overload]
        )
        found = made.scalar_one()
        if found != customer_id:
            await connection.execute(
                text("UPDATE customers SET profile_ct = :profile, locale = coalesce(:locale, locale) "
                     "WHERE tenant_id = :tenant_id AND id = :id"),
                {"tenant_id": tenant_id, "id": found, "locale": locale,
                 "profile": keys.seal_json(profile, PROFILE, found)},
            )  # fmt: skip
        await audit.record(connection, tenant_id, "auth.customer_token", actor=actor, subject=("customer", found))
    identity = Identity(tenant_id, found, "customer", frozenset({"customer"}), found)
    return {
        "access_token": services.tokens.sign(identity, CUSTOMER_LIFETIME),
        "token_type": "Bearer",
        "expires_in": int(CUSTOMER_LIFETIME.total_seconds()),
        "customer_id": str(found),
    }


async def _find_user(services: Services, tenant_id: UUID, email: str) -> Any | None:
    async with services.database.tenant(tenant_id) as connection:
        return (await connection.execute(USER, {"tenant_id": tenant_id, "email": email.strip().lower()})).one_or_none()


async def _new_session(connection: AsyncConnection, user: Any) -> tuple[Identity, str]:
    session_id = new_id()
    token = _refresh_token(user.tenant_id, session_id)
    await connection.execute(
        insert(Session).values(
            tenant_id=user.tenant_id,
            id=session_id,
            user_id=user.id,
            refresh_hash=token_hash(token),
            expires_at=datetime.now(UTC) + SESSION_ABSOLUTE,
        )
    )
    return Identity(user.tenant_id, user.id, "user", frozenset(user.roles), session_id), token


async def _api_key(services: Services, api_key: str | None) -> tuple[UUID, UUID]:
    if api_key is None:
        raise Problem("invalid_api_key")
    async with services.database.platform() as connection:
        row = (await connection.execute(API_KEY_TENANT, {"key_hash": token_hash(api_key)})).one_or_none()
    if row is None:
        raise Problem("invalid_api_key")
    async with services.database.tenant(row.tenant_id) as connection:
        live = await connection.execute(API_KEY, {"tenant_id": row.tenant_id, "id": row.api_key_id})
        if live.one_or_none() is None:
            raise Problem("invalid_api_key")
    return row.tenant_id, row.api_key_id


async def _audit(
    connection: AsyncConnection, action: str, tenant_id: UUID, user_id: UUID, detail: dict[str, Any]
) -> None:
    await audit.record(connection, tenant_id, action, actor=("user", user_id), subject=("user", user_id), detail=detail)


def _refresh_token(tenant_id: UUID, session_id: UUID) -> str:
    return f"{tenant_id.hex}.{session_id.hex}.{secrets.token_urlsafe(32)}"


def _parse_refresh(token: str) -> tuple[UUID, UUID]:
    try:
        tenant, session, _ = token.split(".")
        return UUID(tenant), UUID(session)
    except ValueError:
        raise Problem("unauthenticated", "The refresh token is not valid any more: sign in again.") from None


def _stands(session: Any) -> bool:
    now = datetime.now(UTC)
    return session.revoked_at is None and session.expires_at > now and session.last_used_at > now - SESSION_IDLE


def _tokens(services: Services, identity: Identity, refresh_token: str) -> Response:
    return JSONResponse(
        {
            "access_token": services.tokens.sign(identity),
            "refresh_token": refresh_token,
            "token_type": "Bearer",
            "expires_in": int(LIFETIME.total_seconds()),
        },
        headers=NO_STORE,
    )
