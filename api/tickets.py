"""Single-use tickets: a browser's EventSource or WebSocket cannot send a header, and a token never stands in a URL."""

from __future__ import annotations

import json
import secrets
from uuid import UUID

from redis.exceptions import RedisError

from api.problems import Problem
from api.state import Services
from helios.crypto import token_hash
from helios.tokens import Identity

LIFETIME_S = 30


def _key(ticket: str) -> str:
    return f"helios:ticket:{token_hash(ticket).hex()}"


async def issue(services: Services, identity: Identity) -> str:
    """A ticket for one stream, good for 30 s. Raises a 503 problem while Valkey is away."""
    ticket = secrets.token_urlsafe(32)
    held = json.dumps([str(identity.tenant_id), str(identity.id), identity.kind, sorted(identity.roles),
                       str(identity.session_id)])  # fmt: skip
    try:
        await services.valkey.set(_key(ticket), held, ex=LIFETIME_S)
    except (RedisError, OSError):
        raise Problem("dependency_unavailable", retry_after_s=2) from None
    return ticket


async def redeem(services: Services, ticket: str) -> Identity:
    """Who the ticket was issued to. It is gone with this."""
    try:
        held = await services.valkey.getdel(_key(ticket))
    except (RedisError, OSError):
        raise Problem("dependency_unavailable", retry_after_s=2) from None
    if held is None:
        raise Problem("unauthenticated", "The ticket was used, or is older than 30 s.")
    tenant_id, actor_id, kind, roles, session_id = json.loads(held)
    return Identity(UUID(tenant_id), UUID(actor_id), kind, frozenset(roles), UUID(session_id))
