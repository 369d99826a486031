"""New passwords: changed by who knows the old one, or set with a code that came by mail."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api.auth.answers import NO_STORE, Anybody
from api.auth.codes import refused_is_noted
from api.auth.login import NO_TENANT, counted, find_tenant, refuse_if_shut, settle
from api.described import described
from api.mailing import mailing
from api.models import PasswordChange, PasswordReset, ResetRequest
from api.problems import Problem, not_found
from api.state import Services, State
from api.validation import StrictRoute
from helios import audit, outbox, staff
from helios.identity import lockout, resets, second_factor, sessions
from helios.identity.strength import needs_factor, weaknesses, words_of
from helios.invitations import parse
from helios.passwords import check_password, hash_password, judge_password

router = APIRouter(prefix="/password", route_class=StrictRoute)

TENANT = text("SELECT slug, name, settings FROM tenants WHERE id = :tenant_id")
USER = text("SELECT * FROM users WHERE tenant_id = :tenant_id AND id = :id AND deleted_at IS NULL")
LOCK = text("SELECT FROM users WHERE tenant_id = :tenant_id AND id = :id FOR UPDATE")
SET = text(
    "UPDATE users SET password_hash = :password_hash, password_needs_factor = :short "
    "WHERE tenant_id = :tenant_id AND id = :id"
)
NEW = "six words that only you know"


@router.post(
    "/change",
    summary="Change your password",
    **described(
        {"ended_sessions": 2},
        *("unauthenticated", "wrong_password", "weak_password", "account_locked", "dependency_unavailable"),
        body={"current_password": "the words from before", "new_password": NEW},
        about="Changed; how many other sessions have ended",
    ),
)
async def change(body: PasswordChange, services: State, caller: Anybody) -> Response:
    """Needs the present password. This session goes on, all others end."""
    where = {"tenant_id": caller.tenant_id, "id": caller.id}
    async with services.database.tenant(caller.tenant_id) as connection:
        user = (await connection.execute(USER, where)).one_or_none()
        tenant = (await connection.execute(TENANT, where)).one()
        enrolled = await second_factor.is_enrolled(connection, caller.tenant_id, caller.id)
    if user is None:  # a customer signs in at the tenant, and has no password here
        not_found()
    await prove_password(services, user, body.current_password)
    await _require_strong(services, body.new_password, tenant, user, with_factor=enrolled)
    hashed = await hash_password(body.new_password)
    async with services.database.tenant(caller.tenant_id) as connection:
        await _set(connection, caller.tenant_id, caller.id, body.new_password, hashed)
        me = ("user", caller.id)
        await audit.record(connection, caller.tenant_id, "auth.password_changed", actor=("user", caller.id), subject=me)
        ended = await sessions.revoke_all(connection, caller.tenant_id, caller.id, reason="password_changed",
                                          actor=("user", caller.id), kept=caller.session_id)  # fmt: skip
    return JSONResponse({"ended_sessions": ended}, headers=NO_STORE)


async def _set(connection: AsyncConnection, tenant_id: UUID, user_id: UUID, password: str, hashed: str) -> None:
    """Raises where the factor that a short password leans on was taken away meanwhile."""
    where, short = {"tenant_id": tenant_id, "id": user_id}, needs_factor(password)
    await connection.execute(LOCK, where)
    if short and not await second_factor.is_enrolled(connection, tenant_id, user_id):
        raise Problem("weak_password", weaknesses(password)[0])
    await connection.execute(SET, {**where, "password_hash": hashed, "short": short})


async def prove_password(services: Services, user: Any, password: str) -> None:
    """Raises unless it is the user's password; a wrong one counts like a failed sign-in, on a count of its own."""
    subject = lockout.device(lockout.member(user.id), "signed-in")
    async with counted():
        await refuse_if_shut(services, subject)
    right = await check_password(password, user.password_hash)
    await settle(services, subject, user.tenant_id, user.id, right=right, refusal="wrong_password")


async def _require_strong(services: Services, password: str, tenant: Any, user: Any, *, with_factor: bool) -> None:
    keys = await services.keyring.tenant(user.tenant_id)
    who = (staff.email_of(keys, user), staff.name_of(keys, user))
    await require_strong(services, password, tenant, *who, with_factor=with_factor)


async def require_strong(
    services: Services,
    password: str,
    tenant: Any,
    *personal: str,
    with_factor: bool = False,
    field: str = "new_password",
) -> None:
    """Raises a 422 problem that teaches, about this field of the body."""
    words = words_of(tenant.slug, tenant.name, *personal)
    found = await judge_password(password, words, second_factor=with_factor)
    if not found and await services.breached.knows(password):
        found = ["This password is in a collection from a breach, where others look first. Choose another one."]
    if found:
        errors = [{"pointer": f"/{field}", "detail": each} for each in found]
        raise Problem("weak_password", " ".join(found), errors=errors)


@router.post(
    "/reset-request",
    summary="Ask for a code to set a new password",
    **described(
        {"status": "accepted"},
        *("invalid_request", "rate_limited"),
        status=202,
        body={"tenant": "meridian", "email": "agent@meridian.example"},
        about="Accepted, whether or not there is such an account",
    ),
)
async def request_reset(body: ResetRequest, services: State) -> Response:
    """Mails a code to the address if it has an account. The answer is the same for every address, and comes at once."""
    tenant_id = await find_tenant(services, body.tenant)
    if tenant_id == NO_TENANT:
        return JSONResponse({"status": "accepted"}, 202, NO_STORE)
    return await accepted(services, tenant_id, "reset", body.email)


async def accepted(services: Services, tenant_id: UUID, kind: outbox.Wish, email: str) -> Response:
    """A 202 behind which the wish stands in the database, whatever becomes of this process; the same steps for every
    address."""
    keys = await services.keyring.tenant(tenant_id)
    async with services.database.tenant(tenant_id) as connection:
        await outbox.wish(connection, keys, kind, email)
    return JSONResponse({"status": "accepted"}, 202, NO_STORE, background=mailing(services, tenant_id))


@router.post(
    "/reset",
    summary="Set a new password with a code",
    **described(
        None,
        *("invalid_reset_token", "weak_password", "invalid_request"),
        status=204,
        body={"token": "the code out of the mail", "new_password": NEW},
        about="Set; every session of the account has ended",
    ),
)
async def reset(body: PasswordReset, services: State) -> Response:
    """Ends all sessions, and opens a locked account again. A second factor is asked for as before."""
    async with refused_is_noted(services, body.token, "/v1/auth/password/reset"):
        await _reset(services, body)
    return Response(status_code=204)


async def _reset(services: Services, body: PasswordReset) -> None:
    tenant_id = _tenant_of(body.token)
    async with services.database.tenant(tenant_id) as connection:
        found = await resets.find(connection, body.token)
        if found is None:
            raise Problem("invalid_reset_token")
        tenant = (await connection.execute(TENANT, {"tenant_id": tenant_id})).one()
        user = found.user
        enrolled = await second_factor.is_enrolled(connection, tenant_id, user.id)
    await _require_strong(services, body.new_password, tenant, user, with_factor=enrolled)
    hashed = await hash_password(body.new_password)
    who: tuple[audit.ActorType, UUID | None] = ("user", user.id)
    async with services.database.tenant(tenant_id) as connection:
        if not await resets.use(connection, found):
            raise Problem("invalid_reset_token")
        await _set(connection, tenant_id, user.id, body.new_password, hashed)
        await audit.record(connection, tenant_id, "auth.password_reset", actor=who, subject=who)
        await sessions.revoke_all(connection, tenant_id, user.id, reason="password_reset", actor=who)
    keys = await services.keyring.tenant(tenant_id)
    account = lockout.account(services.keyring.root, tenant.slug, staff.email_of(keys, user))
    with suppress(RedisError, OSError):  # else the lock ends by itself
        await services.lockout.forget(account)


def _tenant_of(token: str) -> UUID:
    parsed = parse(token)
    if parsed is None:
        raise Problem("invalid_reset_token")
    return parsed[0]
