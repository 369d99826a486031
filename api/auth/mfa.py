"""The second factor of one's own account: set up, put in force, taken away."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text

from api.auth.answers import NO_STORE, Anybody
from api.auth.login import counted, refuse_if_shut, settle
from api.auth.passwords import TENANT, USER, prove_password
from api.auth.recent import require_recent_sign_in
from api.described import described
from api.models import FactorBegin, FactorConfirmation, FactorRemoval
from api.problems import Problem, not_found
from api.state import Services, State
from api.validation import StrictRoute
from helios import audit, staff
from helios.crypto import TenantKeys
from helios.identity import lockout, second_factor
from helios.tokens import Identity

router = APIRouter(prefix="/mfa/totp", route_class=StrictRoute)

NEEDS_FACTOR = text("SELECT password_needs_factor FROM users WHERE tenant_id = :tenant_id AND id = :id FOR UPDATE")
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"  # noqa: S105 - an example
CODES = ["k3vd-7x2q-hm4n-b6tz", "p5ws-2c8r-jq6y-d3fa"]


@router.post(
    "",
    summary="Begin to set up a second factor",
    **described(
        {"secret": SECRET, "otpauth_uri": f"otpauth://totp/HeliosCS%20Meridian:agent?secret={SECRET}&issuer=HeliosCS"},
        *("unauthenticated", "mfa_enabled", "reauthentication_required", "wrong_password", "account_locked"),
        "dependency_unavailable",
        status=201,
        body={"password": "six words that only you know"},
        about="The secret for an authenticator app; it is in force once a code of it was confirmed",
    ),
)
async def begin(services: State, caller: Anybody, body: FactorBegin | None = None) -> Response:
    """A new secret, shown this once. Called again before it was confirmed, it gives another one. Needs the password,
    unless you signed in within the last ten minutes: else a stolen token could shut you out."""
    tenant, user, keys = await _account(services, caller)
    if body is not None and body.password is not None:
        await prove_password(services, user, body.password)
    else:
        await require_recent_sign_in(services, caller)
    async with services.database.tenant(caller.tenant_id) as connection:
        secret = await second_factor.begin(connection, keys, caller.id)
        if secret is None:
            raise Problem("mfa_enabled")
        await _tell(connection, caller, "auth.mfa_begun")
    answer = {"secret": secret, "otpauth_uri": second_factor.uri(secret, staff.email_of(keys, user), tenant.name)}
    return JSONResponse(answer, 201, NO_STORE)


@router.post(
    "/confirm",
    summary="Put the second factor in force",
    **described(
        {"recovery_codes": CODES},
        *("unauthenticated", "invalid_otp", "mfa_not_begun", "account_locked", "dependency_unavailable"),
        body={"otp": "492039"},
        about="In force; the recovery codes, shown this once",
    ),
)
async def confirm(body: FactorConfirmation, services: State, caller: Anybody) -> Response:
    """Takes a code of the app. From now on sign-in asks for one; keep the recovery codes where the phone is not."""
    _, user, keys = await _account(services, caller)
    subject = _subject(user)
    async with counted():
        await refuse_if_shut(services, subject)
    async with services.database.tenant(caller.tenant_id) as connection:
        try:
            codes = await second_factor.confirm(connection, keys, caller.id, body.otp)
        except LookupError:
            raise Problem("mfa_not_begun") from None
        if codes is not None:
            await _tell(connection, caller, "auth.mfa_enabled")
    if codes is None:
        await settle(services, subject, user.tenant_id, user.id, right=False, refusal="invalid_otp")
    return JSONResponse({"recovery_codes": codes}, headers=NO_STORE)


@router.delete(
    "",
    summary="Remove the second factor",
    **described(
        None,
        *("unauthenticated", "invalid_otp", "mfa_not_enabled", "password_needs_factor"),
        *("account_locked", "dependency_unavailable"),
        status=204,
        body={"otp": "492039"},
        about="Removed",
    ),
)
async def remove(body: Annotated[FactorRemoval, Body()], services: State, caller: Anybody) -> Response:
    """Needs a code of the app or a recovery code: with the password alone it would be no second factor. Who has lost
    both asks an admin: `POST /v1/users/{user_id}/mfa/reset`. A password of fewer than 15 characters must be changed
    first: it may not stand alone."""
    _, user, keys = await _account(services, caller)
    async with services.database.tenant(caller.tenant_id) as connection:
        if not await second_factor.is_enrolled(connection, caller.tenant_id, caller.id):
            raise Problem("mfa_not_enabled")
    await prove_code(services, _subject(user), keys, user, body.otp)
    async with services.database.tenant(caller.tenant_id) as connection:
        where = {"tenant_id": caller.tenant_id, "id": caller.id}
        if (await connection.execute(NEEDS_FACTOR, where)).scalar_one():
            raise Problem("password_needs_factor")
        await second_factor.remove(connection, caller.tenant_id, caller.id)
        await _tell(connection, caller, "auth.mfa_disabled")
    return Response(status_code=204)


async def prove_code(services: Services, subject: str, keys: TenantKeys, user: Any, otp: str) -> None:
    """Uses the code up, or raises and counts a failure."""
    async with counted():
        await refuse_if_shut(services, subject)
    async with services.database.tenant(user.tenant_id) as connection:
        proof = await second_factor.accept(connection, keys, user.id, otp)
    await settle(services, subject, user.tenant_id, user.id, right=proof is not None, refusal="invalid_otp")


def _subject(user: Any) -> str:
    return lockout.device(lockout.member(user.id), "signed-in")


async def _account(services: Services, caller: Identity) -> tuple[Any, Any, TenantKeys]:
    """Tenant, user and keys; customers have no account here."""
    where = {"tenant_id": caller.tenant_id, "id": caller.id}
    async with services.database.tenant(caller.tenant_id) as connection:
        user = (await connection.execute(USER, where)).one_or_none()
        tenant = (await connection.execute(TENANT, where)).one()
    if user is None:
        not_found()
    return tenant, user, await services.keyring.tenant(caller.tenant_id)


async def _tell(connection: Any, caller: Identity, action: str) -> None:
    me: tuple[audit.ActorType, UUID | None] = ("user", caller.id)
    await audit.record(connection, caller.tenant_id, action, actor=me, subject=me)
