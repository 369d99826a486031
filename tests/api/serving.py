"""A small application behind the product's own connections, on a free port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from api.server import Connection


@asynccontextmanager
async def serving(app: Any, **more: Any) -> AsyncIterator[int]:
    """The port on which it answers."""
    config = uvicorn.Config(app, port=0, http=Connection, lifespan="off", log_config=None, **more)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    async with asyncio.timeout(10):
        while not server.started:
            await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task
