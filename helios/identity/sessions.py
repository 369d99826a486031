"""Sessions of staff and their refresh tokens (RFC 9700 §4.14, OWASP ASVS 5 chapters 7 and 10.4).

A refresh token is `TENANT.SESSION.GENERATION.SECRET`; the database keeps the hash of the newest. Each one's secret is
an HMAC of the token before it under the tenant's key, the first one's is random. So

- a retry after a lost response is answered with the same successor, which is stored nowhere;
- who has a token cannot compute the next one without us;
- an old token is told from a forged one by walking forward from it to the newest: only a token that was ours arrives
  there. A forged one changes nothing; an old one that comes back is theft, and ends the session with all its tokens.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios import audit
from helios.crypto import TenantKeys, token_hash
from helios.ids import new_id

ABSOLUTE = timedelta(hours=12)
IDLE = timedelta(minutes=30)
RETRY_WITHIN = timedelta(seconds=10)
WALK_MOST = 1_000
"""Generations that are walked to prove a theft: in 12 h a client that renews in time has 72."""

CLIENT = "sessions.client_ct"
SUCCESSOR = "sessions.refresh_token"

OPEN = text(
    "INSERT INTO sessions (tenant_id, id, user_id, refresh_hash, client_ct, by_sso, provider_factor, expires_at) "
    "VALUES (:tenant_id, :id, :user_id, :refresh_hash, :client_ct, :by_sso, :provider_factor, "
    "now() + CAST(:absolute AS interval))"
)
LOCK = text(
    "SELECT *, clock_timestamp() AS now FROM sessions WHERE tenant_id = :tenant_id AND id = :id "
    "AND revoked_at IS NULL AND expires_at > clock_timestamp() AND last_used_at > clock_timestamp() - CAST(:idle AS "
    "interval) FOR UPDATE"
)
ROTATE = text(
    "UPDATE sessions SET refresh_hash = :refresh_hash, generation = generation + 1, last_used_at = clock_timestamp() "
    "WHERE tenant_id = :tenant_id AND id = :id"
)
REVOKE = text(
    "UPDATE sessions SET revoked_at = now() WHERE tenant_id = :tenant_id AND id = :id AND user_id = :user_id "
    "AND revoked_at IS NULL RETURNING id"
)
REVOKE_ALL = text(
    "UPDATE sessions SET revoked_at = now() WHERE tenant_id = :tenant_id AND user_id = :user_id "
    "AND revoked_at IS NULL AND expires_at > now() AND id IS DISTINCT FROM :kept RETURNING id"
)


class Outcome(StrEnum):
    """`reused`: the token was used before; the session has ended with it. `refused`: it is no token of a session."""

    RENEWED = "renewed"
    REPEATED = "repeated"
    REUSED = "reused"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token taken apart: what it claims, nothing of it is proven."""

    tenant_id: UUID
    session_id: UUID
    generation: int
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refreshed:
    outcome: Outcome
    session_id: UUID
    user_id: UUID | None = None
    token: str = field(default="", repr=False)


def parse_refresh_token(token: str) -> RefreshToken | None:
    """None for what has not the form of one."""
    try:
        tenant, session, generation, secret = token.split(".")
        if not (secret and generation.isascii() and generation.isdigit() and len(generation) < 10):
            return None
        return RefreshToken(UUID(hex=tenant), UUID(hex=session), int(generation), token)
    except ValueError:
        return None


async def open_session(
    connection: AsyncConnection,
    keys: TenantKeys,
    user_id: UUID,
    client: Mapping[str, str],
    *,
    by_sso: bool = False,
    provider_factor: bool = False,
) -> tuple[UUID, str]:
    """A new session's id and its first refresh token. `client` is what its owner will know it by: agent, address."""
    session_id = new_id()
    token = _written(keys.tenant_id, session_id, 0, secrets.token_bytes(32))
    await connection.execute(
        OPEN,
        {
            "tenant_id": keys.tenant_id, "id": session_id, "user_id": user_id, "refresh_hash": token_hash(token),
            "client_ct": keys.seal_json(dict(client), CLIENT, session_id), "absolute": ABSOLUTE,
            "by_sso": by_sso, "provider_factor": provider_factor,
        },
    )  # fmt: skip
    return session_id, token


async def refresh(connection: AsyncConnection, keys: TenantKeys, token: RefreshToken) -> Refreshed:
    """Gives the successor of a session's newest token, and of the one before it again for 10 s."""
    where = {"tenant_id": keys.tenant_id, "id": token.session_id}
    # The row's lock makes parallel refreshes of one token stand in line: the first rotates, the others repeat.
    row = (await connection.execute(LOCK, {**where, "idle": IDLE})).one_or_none()
    if row is None:
        return Refreshed(Outcome.REFUSED, token.session_id)
    if token.generation == row.generation and hmac.compare_digest(row.refresh_hash, token_hash(token.text)):
        successor = _successor(keys, token)
        await connection.execute(ROTATE, {**where, "refresh_hash": token_hash(successor.text)})
        return Refreshed(Outcome.RENEWED, row.id, row.user_id, successor.text)
    if not _was_issued(keys, token, row):
        return Refreshed(Outcome.REFUSED, row.id)
    if token.generation == row.generation - 1 and row.now - row.last_used_at <= RETRY_WITHIN:
        return Refreshed(Outcome.REPEATED, row.id, row.user_id, _successor(keys, token).text)
    await revoke(connection, keys.tenant_id, row.user_id, row.id, reason="refresh_token_reused", actor=("system", None))
    return Refreshed(Outcome.REUSED, row.id, row.user_id)


async def revoke(
    connection: AsyncConnection,
    tenant_id: UUID,
    user_id: UUID,
    session_id: UUID,
    *,
    reason: str,
    actor: tuple[audit.ActorType, UUID | None],
) -> bool:
    """False where this user has no such session that stands."""
    ended = await connection.execute(REVOKE, {"tenant_id": tenant_id, "id": session_id, "user_id": user_id})
    return await _tell(connection, tenant_id, [row.id for row in ended], reason, actor) == 1


async def revoke_all(
    connection: AsyncConnection,
    tenant_id: UUID,
    user_id: UUID,
    *,
    reason: str,
    actor: tuple[audit.ActorType, UUID | None],
    kept: UUID | None = None,
) -> int:
    """Ends all sessions of a user but `kept`; how many."""
    ended = await connection.execute(REVOKE_ALL, {"tenant_id": tenant_id, "user_id": user_id, "kept": kept})
    return await _tell(connection, tenant_id, [row.id for row in ended], reason, actor)


async def _tell(
    connection: AsyncConnection,
    tenant_id: UUID,
    ended: list[UUID],
    reason: str,
    actor: tuple[audit.ActorType, UUID | None],
) -> int:
    for session_id in ended:
        subject = ("session", session_id)
        await audit.record(
            connection, tenant_id, "session.revoked", actor=actor, subject=subject, detail={"reason": reason}
        )
    return len(ended)


def _successor(keys: TenantKeys, token: RefreshToken) -> RefreshToken:
    generation = token.generation + 1
    secret = keys.blind_index(token.text, SUCCESSOR)
    written = _written(token.tenant_id, token.session_id, generation, secret)
    return RefreshToken(token.tenant_id, token.session_id, generation, written)


def _was_issued(keys: TenantKeys, token: RefreshToken, row: Any) -> bool:
    """Whether the walk from this token ends at the session's newest."""
    steps = row.generation - token.generation
    if not 0 < steps <= WALK_MOST:
        return False
    for _ in range(steps):
        token = _successor(keys, token)
    return hmac.compare_digest(row.refresh_hash, token_hash(token.text))


def _written(tenant_id: UUID, session_id: UUID, generation: int, secret: bytes) -> str:
    return f"{tenant_id.hex}.{session_id.hex}.{generation}.{urlsafe_b64encode(secret).rstrip(b'=').decode()}"
