"""Starting a workflow right after what it is to do was stored."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Final

import structlog
from temporalio.service import RPCError

log = structlog.get_logger()

START_WITHIN_S: Final = 2.0


async def start_later(start: Awaitable[None], what: str) -> None:
    """Where Temporal is away now, a worker or a schedule makes up for it: the caller need not know."""
    try:
        await asyncio.wait_for(start, START_WITHIN_S)
    # A client that has yet to reach its server for the first time raises a RuntimeError.
    except (RPCError, OSError, TimeoutError, RuntimeError) as error:
        log.warning("starts later", what=what, error=type(error).__name__)
