"""`POST /v1/auth/login`: from a password to a session."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from redis.exceptions import RedisError
from sqlalchemy import text

from api.auth.answers import TOKENS, tokens
from api.auth.line import Place, in_line
from api.cleaning import clean
from api.counting import address_of, client_address
from api.described import described
from api.models import SignIn
from api.problems import Problem
from api.sso import passwords_refused
from api.state import Services, State
from api.validation import StrictRoute
from helios import audit, staff
from helios.crypto import TenantKeys
from helios.identity import lockout, second_factor, sessions
from helios.passwords import check_password, hash_password, is_outdated
from helios.tokens import Identity

router = APIRouter(route_class=StrictRoute)

DEVICE_COOKIE = "helios_device"
NO_FACTOR = "none"
NO_TENANT = UUID(int=0)
NOBODY = bytes(32)
TENANT = text("SELECT id FROM tenants WHERE slug = :slug AND deleted_at IS NULL AND suspended_at IS NULL")
USER = staff.by_index(
    "SELECT * FROM users WHERE tenant_id = :tenant_id AND email_index = ANY(:indexes) "
    "AND deleted_at IS NULL AND deactivated_at IS NULL"
)
REHASH = text(
    "UPDATE users SET password_hash = :new WHERE tenant_id = :tenant_id AND id = :id AND password_hash = :old"
)


@router.post(
    "/login",
    summary="Sign a member of staff in",
    **described(
        TOKENS,
        *("invalid_credentials", "otp_required", "invalid_otp", "account_locked", "invalid_request"),
        *("sso_required", "dependency_unavailable"),
        body={"tenant": "meridian", "email": "agent@meridian.example", "password": "six words that only you know"},
    ),
)
async def login(body: SignIn, request: Request, services: State) -> Response:
    """Gives an access token (10 min) and a refresh token. Wrong tenant, e-mail and password are answered alike, in the
    same time. A browser that has signed in before is known by a cookie, and nobody else's failures shut it out."""
    async with in_line(await _place(services, body, request)):
        return await _log_in(body, request, services)


async def _place(services: Services, body: SignIn, request: Request) -> Place:
    """Where to stand in line. Only who has a cookie is looked up for it."""
    cookie = request.cookies.get(DEVICE_COOKIE, "")
    if cookie:
        keys, user = await _find_user(services, await find_tenant(services, body.tenant), body.email)
        if (device := _known_device(keys, user, cookie)) is not None:
            return True, device
    return False, address_of(request.scope)


def _known_device(keys: TenantKeys | None, user: Any | None, cookie: str) -> str | None:
    if user is None or keys is None or not cookie:
        return None
    return lockout.known_device(keys, user.id, cookie)


async def _log_in(body: SignIn, request: Request, services: Services) -> Response:
    tenant_id = await find_tenant(services, body.tenant)
    keys, user = await _find_user(services, tenant_id, body.email)
    subject = _subject(services, body, keys, user, request.cookies.get(DEVICE_COOKIE, ""))
    async with counted():
        await refuse_if_shut(services, subject)
    right = await check_password(body.password, user.password_hash if user else None)
    refusal, factor = "invalid_credentials", None
    if right and user is not None and keys is not None:
        factor, refusal = await _second_factor(services, subject, keys, user, body.otp), "invalid_otp"
        right = factor is not None
    await settle(services, subject, tenant_id, user.id if user else None, right=right, refusal=refusal)
    assert user is not None
    assert keys is not None
    await _require_password_may(services, user)
    return await _signed_in(services, request, keys, user, body.password, factor or NO_FACTOR)


async def _require_password_may(services: Services, user: Any) -> None:
    """Asked last: only who knows the password learns whether it would have been enough."""
    tenant = await services.tenants.get(user.tenant_id)
    if tenant is None or not passwords_refused(tenant.settings, user.id):
        return
    me: tuple[audit.ActorType, UUID | None] = ("user", user.id)
    async with services.database.tenant(user.tenant_id) as connection:
        detail = {"code": "sso_required"}
        await audit.record(connection, user.tenant_id, "auth.login_failed", actor=me, subject=me, detail=detail)
    raise Problem("sso_required")


async def _second_factor(services: Services, subject: str, keys: TenantKeys, user: Any, otp: str | None) -> str | None:
    """What was proven beside the password, `none` where nothing is needed; None for a wrong code.

    Raises a 401 problem where a code is needed and was not sent.
    """
    async with services.database.tenant(user.tenant_id) as connection:
        if not await second_factor.is_enrolled(connection, user.tenant_id, user.id):
            return NO_FACTOR
        if otp is not None:
            proof = await second_factor.accept(connection, keys, user.id, otp)
            return None if proof is None else proof.value
    async with counted():
        await refuse_if_shut(services, subject)  # another guess may have shut the account meanwhile
    raise Problem("otp_required")


async def find_tenant(services: Services, slug: str) -> UUID:
    """The id of no tenant where there is none: what follows takes the same steps."""
    async with services.database.platform() as connection:
        found = (await connection.execute(TENANT, {"slug": slug.strip().lower()})).scalar_one_or_none()
    return NO_TENANT if found is None else UUID(str(found))


async def _find_user(services: Services, tenant_id: UUID, email: str) -> tuple[TenantKeys | None, Any | None]:
    """The tenant's keys and the account. Where there is no tenant, nobody is looked for by the same steps."""
    keys = await services.keyring.tenant(tenant_id) if tenant_id != NO_TENANT else None
    indexes = staff.indexes(keys, email) if keys is not None else [NOBODY]
    async with services.database.tenant(tenant_id) as connection:
        where = {"tenant_id": tenant_id, "indexes": indexes}
        return keys, (await connection.execute(USER, where)).one_or_none()


def _subject(services: Services, body: SignIn, keys: TenantKeys | None, user: Any | None, cookie: str) -> str:
    """What this attempt is counted for: the account as strangers name it, or the account's known device."""
    stranger = lockout.account(services.keyring.root, body.tenant, body.email)
    nonce = _known_device(keys, user, cookie)
    return stranger if nonce is None else lockout.device(stranger, nonce)


@asynccontextmanager
async def counted() -> AsyncIterator[None]:
    """Without the count of failures nobody may try a password: sign-in is closed while Valkey is away."""
    try:
        yield
    except (RedisError, OSError):
        raise Problem("dependency_unavailable", retry_after_s=2) from None


async def refuse_if_shut(services: Services, subject: str) -> None:
    """Raises a 429 problem before a hash is computed for nothing."""
    left_s = await services.lockout.left_s(subject)
    if left_s > 0:
        raise shut(left_s)


async def settle(services: Services, subject: str, tenant_id: UUID, user_id: UUID | None, *, right: bool,
                 refusal: str = "invalid_credentials") -> None:  # fmt: skip
    """Counts the attempt; raises unless it was right and the account is open."""
    async with counted():
        settled = await services.lockout.settle(subject, right=right)
    if settled.left_s > 0:
        raise shut(settled.left_s)
    if right:
        return
    if tenant_id != NO_TENANT:
        await _tell_of_failure(services, tenant_id, user_id, refusal, settled.shut_s)
    raise Problem(refusal)


async def _tell_of_failure(
    services: Services, tenant_id: UUID, user_id: UUID | None, refusal: str, shut_s: float
) -> None:
    """The same rows for an account that does not exist, which has no id."""
    actor: tuple[audit.ActorType, UUID | None] = ("user", user_id)
    async with services.database.tenant(tenant_id) as connection:
        await audit.record(
            connection, tenant_id, "auth.login_failed", actor=actor, subject=actor, detail={"code": refusal}
        )
        if shut_s > 0:
            detail = {"shut_s": round(shut_s)}
            await audit.record(connection, tenant_id, "auth.account_locked", actor=actor, subject=actor, detail=detail)


def shut(left_s: float) -> Problem:
    return Problem("account_locked", retry_after_s=int(left_s) + 1)


async def _signed_in(
    services: Services, request: Request, keys: TenantKeys, user: Any, password: str, factor: str
) -> Response:
    outdated = is_outdated(user.password_hash)
    rehashed = {"new": await hash_password(password), "old": user.password_hash} if outdated else None
    async with services.database.tenant(user.tenant_id) as connection:
        session_id, refresh_token = await sessions.open_session(connection, keys, user.id, client_of(request))
        if rehashed is not None:
            await connection.execute(REHASH, {"tenant_id": user.tenant_id, "id": user.id, **rehashed})
        who = ("user", user.id)
        await audit.record(connection, user.tenant_id, "auth.login", actor=("user", user.id), subject=who,
                           detail={"session_id": str(session_id), "factor": factor})  # fmt: skip
    identity = Identity(user.tenant_id, user.id, "user", frozenset(user.roles), session_id)
    answer = tokens(services, identity, refresh_token)
    answer.set_cookie(
        DEVICE_COOKIE,
        lockout.new_device(keys, user.id),
        max_age=lockout.DEVICE_S,
        path="/v1/auth/login",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return answer


def client_of(request: Request) -> dict[str, str]:
    """By what the owner of a session will know it. Sealed before it is stored."""
    return {
        "user_agent": clean(request.headers.get("user-agent", ""))[:200],
        "address": str(client_address(request.scope) or ""),
    }
