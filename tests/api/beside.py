"""An API in the test's own process beside the running one, on the same servers, with settings of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from pydantic import SecretStr

from api.app import create_app
from api.state import Services
from helios.commands.api import proxies
from helios.embedded.supervisor import Stack
from helios.settings import Settings
from tests.api.serving import serving


def settings_beside(stack: Stack, **changed: Any) -> Settings:
    servers = stack.servers
    common: dict[str, Any] = {
        "postgres_dsn": SecretStr(servers.app_dsn),
        "redis_url": SecretStr(servers.redis_url),
        "temporal_address": servers.temporal_address,
        "temporal_namespace": servers.temporal_namespace,
        "root_key": SecretStr(servers.keys.root_key),
        "token_key": SecretStr(servers.keys.token_key),
        "postgres_pool_size": 2,
    }
    return Settings(**{**common, **changed})


@asynccontextmanager
async def api_beside(stack: Stack, *, address: str = "127.0.0.1", **changed: Any) -> AsyncIterator[httpx.AsyncClient]:
    """`address`: where its requests come from. `changed`: settings."""
    app = create_app(settings_beside(stack, **changed))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 1))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://beside") as client,
    ):
        yield client


@asynccontextmanager
async def served_beside(stack: Stack, **changed: Any) -> AsyncIterator[tuple[str, Services]]:
    """The same on a port of its own, for what takes a connection: its address, and what it stands on."""
    config = settings_beside(stack, **changed)
    app = create_app(config)
    async with app.router.lifespan_context(app), serving(app, **proxies(config)) as port:
        yield f"http://127.0.0.1:{port}", app.state.services
