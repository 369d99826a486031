"""The second factor: time-based codes (RFC 6238) and recovery codes (OWASP ASVS 5 §6.5).

The secret is sealed with the tenant's key. A code's time step is remembered: it is good once, also for two who send it
in the same moment. Recovery codes are kept as keyed hashes, shown once, and each is good once.
"""

from __future__ import annotations

import hmac
import re
import secrets
import time
from base64 import b32encode
from enum import StrEnum
from typing import Any
from uuid import UUID

import pyotp
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios.crypto import TenantKeys

STEP_S = 30
DRIFT = 1
"""Steps by which the clock of a phone may be off, either way."""
RECOVERY_CODES = 10
RECOVERY_BYTES = 10
SECRET = "second_factors.secret_ct"  # noqa: S105 - a place
RECOVERY = "second_factors.recovery"
ISSUER = "HeliosCS"

BEGIN = text(
    """
    INSERT INTO second_factors (tenant_id, user_id, secret_ct) VALUES (:tenant_id, :user_id, :secret_ct)
    ON CONFLICT (tenant_id, user_id) DO UPDATE SET secret_ct = excluded.secret_ct, created_at = now()
        WHERE second_factors.confirmed_at IS NULL
    """
)
LOCK = text("SELECT * FROM second_factors WHERE tenant_id = :tenant_id AND user_id = :user_id FOR UPDATE")
CONFIRM = text(
    "UPDATE second_factors SET confirmed_at = now(), last_step = :step, recovery_hashes = :hashes "
    "WHERE tenant_id = :tenant_id AND user_id = :user_id"
)
STEP = text("UPDATE second_factors SET last_step = :step WHERE tenant_id = :tenant_id AND user_id = :user_id")
USE_RECOVERY = text(
    "UPDATE second_factors SET recovery_hashes = array_remove(recovery_hashes, :hash) "
    "WHERE tenant_id = :tenant_id AND user_id = :user_id"
)
REMOVE = text("DELETE FROM second_factors WHERE tenant_id = :tenant_id AND user_id = :user_id")
ENROLLED = text(
    "SELECT EXISTS (SELECT FROM second_factors WHERE tenant_id = :tenant_id AND user_id = :user_id "
    "AND confirmed_at IS NOT NULL)"
)


class Proof(StrEnum):
    TOTP = "totp"
    RECOVERY = "recovery_code"


async def is_enrolled(connection: AsyncConnection, tenant_id: UUID, user_id: UUID) -> bool:
    found = await connection.execute(ENROLLED, {"tenant_id": tenant_id, "user_id": user_id})
    return bool(found.scalar_one())


async def begin(connection: AsyncConnection, keys: TenantKeys, user_id: UUID) -> str | None:
    """A new secret (base32), not yet in force; None where a factor is in force already."""
    secret = pyotp.random_base32()
    made = await connection.execute(
        BEGIN,
        {**_row(keys, user_id), "secret_ct": keys.seal_text(secret, SECRET, user_id)},
    )
    return secret if made.rowcount else None


async def confirm(connection: AsyncConnection, keys: TenantKeys, user_id: UUID, code: str) -> list[str] | None:
    """Puts the secret in force for who shows a code of it: the recovery codes, this once. None for a wrong code.

    Raises `LookupError` where nothing was begun, or it is in force already.
    """
    row = (await connection.execute(LOCK, _row(keys, user_id))).one_or_none()
    if row is None or row.confirmed_at is not None:
        raise LookupError
    step = _step_of(keys, row, code)
    if step is None:
        return None
    codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
    hashes = [_hash(keys, user_id, each) for each in codes]
    await connection.execute(CONFIRM, {**_row(keys, user_id), "step": step, "hashes": hashes})
    return codes


async def accept(connection: AsyncConnection, keys: TenantKeys, user_id: UUID, code: str) -> Proof | None:
    """Uses a code up; None for one that is wrong or was used. The row's lock makes two with one code stand in line."""
    row = (await connection.execute(LOCK, _row(keys, user_id))).one_or_none()
    if row is None or row.confirmed_at is None:
        return None
    step = _step_of(keys, row, code)
    if step is not None:
        await connection.execute(STEP, {**_row(keys, user_id), "step": step})
        return Proof.TOTP
    hashed = _hash(keys, user_id, code)
    if hashed not in row.recovery_hashes:
        return None
    await connection.execute(USE_RECOVERY, {**_row(keys, user_id), "hash": hashed})
    return Proof.RECOVERY


async def remove(connection: AsyncConnection, tenant_id: UUID, user_id: UUID) -> bool:
    """False where there was none."""
    done = await connection.execute(REMOVE, {"tenant_id": tenant_id, "user_id": user_id})
    return bool(done.rowcount)


def uri(secret: str, account: str, tenant: str) -> str:
    """What an authenticator app reads from a QR code (`otpauth://`)."""
    return pyotp.TOTP(secret, interval=STEP_S).provisioning_uri(name=account, issuer_name=f"{ISSUER} {tenant}")


def _step_of(keys: TenantKeys, row: Any, code: str) -> int | None:
    """The time step that the code is of, if it is one that was not used; later steps than the last only."""
    given = re.sub(r"\s", "", code)
    if not re.fullmatch(r"[0-9]{6}", given):
        return None
    totp = pyotp.TOTP(keys.open_text(row.secret_ct, SECRET, row.user_id), interval=STEP_S)
    now = int(time.time()) // STEP_S
    steps = range(now - DRIFT, now + DRIFT + 1)
    fitting = [step for step in steps if hmac.compare_digest(totp.at(step * STEP_S), given) and step > row.last_step]
    return fitting[0] if fitting else None


def _recovery_code() -> str:
    letters = b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode().lower()
    return "-".join(letters[start : start + 4] for start in range(0, len(letters), 4))


def _hash(keys: TenantKeys, user_id: UUID, code: str) -> bytes:
    return keys.blind_index(f"{user_id}|{re.sub(r'[^a-z0-9]', '', code.lower())}", RECOVERY)


def _row(keys: TenantKeys, user_id: UUID) -> dict[str, UUID]:
    return {"tenant_id": keys.tenant_id, "user_id": user_id}
