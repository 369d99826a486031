"""Single-use tickets: a browser's EventSource or WebSocket cannot send a header, and a token never stands in a URL.

A ticket is `TENANT.SECRET`; Valkey holds its hash, and sealed with the tenant's key whom it was given to.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any
from uuid import UUID

from redis.exceptions import RedisError

from api.problems import Problem
from api.state import Services
from helios.crypto import token_hash
from helios.tokens import Identity

LIFETIME_S = 30
HELD = "valkey.ticket"
GONE = "The ticket was used, or is older than 30 s."


def _key(tenant_id: UUID, ticket: str) -> str:
    return f"helios:ticket:{tenant_id}:{token_hash(ticket).hex()}"


async def issue(services: Services, identity: Identity) -> str:
    """A ticket for one stream, good for 30 s. Raises a 503 problem while Valkey is away."""
    ticket = f"{identity.tenant_id.hex}.{secrets.token_urlsafe(32)}"
    keys = await services.keyring.tenant(identity.tenant_id)
    held = keys.seal_json(_written(identity), HELD, token_hash(ticket).hex())
    try:
        await services.valkey.set(_key(identity.tenant_id, ticket), held, ex=LIFETIME_S)
    except (RedisError, OSError):
        raise Problem("dependency_unavailable", retry_after_s=2) from None
    return ticket


async def redeem(services: Services, ticket: str) -> Identity:
    """Who the ticket was issued to. It is gone with this."""
    tenant_id = _tenant(ticket)
    try:
        held: Any = await services.valkey.getdel(_key(tenant_id, ticket))
    except (RedisError, OSError):
        raise Problem("dependency_unavailable", retry_after_s=2) from None
    if held is None:
        raise Problem("unauthenticated", GONE)
    keys = await services.keyring.tenant(tenant_id)
    return _read(keys.open_json(held, HELD, token_hash(ticket).hex()))


def _tenant(ticket: str) -> UUID:
    try:
        return UUID(hex=ticket.partition(".")[0])
    except ValueError:
        raise Problem("unauthenticated", GONE) from None


def _written(identity: Identity) -> dict[str, Any]:
    return {
        "tenant_id": str(identity.tenant_id),
        "id": str(identity.id),
        "kind": identity.kind,
        "roles": sorted(identity.roles),
        "session_id": str(identity.session_id),
        "api_key_id": None if identity.api_key_id is None else str(identity.api_key_id),
        "issued_at": None if identity.issued_at is None else identity.issued_at.isoformat(),
        "expires_at": None if identity.expires_at is None else identity.expires_at.isoformat(),
    }


def _read(held: dict[str, Any]) -> Identity:
    return Identity(
        UUID(held["tenant_id"]),
        UUID(held["id"]),
        held["kind"],
        frozenset(held["roles"]),
        UUID(held["session_id"]),
        api_key_id=UUID(held["api_key_id"]) if held["api_key_id"] else None,
        issued_at=datetime.fromisoformat(held["issued_at"]) if held["issued_at"] else None,
        expires_at=datetime.fromisoformat(held["expires_at"]) if held["expires_at"] else None,
    )
