"""What the routes stand on, opened once by the process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, WebSocket
from redis.asyncio import Redis

from api.access_log import AccessLog
from api.at_work import AtWork
from api.hub import Hub
from api.limiter import Limiter
from api.open_streams import OpenStreams
from api.tenant_walls import TenantWalls
from helios.database import Database
from helios.embedders.registry import Embedders
from helios.ended_tokens import EndedTokens
from helios.frames import Frames
from helios.identity.breached import Breached
from helios.identity.lockout import Lockout
from helios.identity.providers import Providers
from helios.keyring import Keyring
from helios.models.embedder import TextEncoder
from helios.outbox import Post
from helios.settings import Settings
from helios.temporal import Conversations
from helios.tenants import Tenants
from helios.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Services:
    settings: Settings
    database: Database
    keyring: Keyring
    valkey: Redis
    frames: Frames
    hub: Hub
    conversations: Conversations
    tokens: Tokens
    limiter: Limiter
    at_work: AtWork
    open_streams: OpenStreams
    walls: TenantWalls
    lockout: Lockout
    breached: Breached
    providers: Providers
    post: Post
    tenants: Tenants
    ended_tokens: EndedTokens
    access: AccessLog
    encoder: Callable[[], TextEncoder]
    """Loaded by the first search of the process: 0.4 s and 130 MB that an API without searches does not pay."""
    embedders: Embedders


async def services_of(request: Request) -> Services:
    """Awaits nothing: what is no coroutine would be called in a thread, at each request."""
    services: Services = request.app.state.services
    return services


def services_of_socket(socket: WebSocket) -> Services:
    services: Services = socket.app.state.services
    return services


State = Annotated[Services, Depends(services_of)]
