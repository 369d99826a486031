"""Long work with signs of life beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from temporalio import activity

BEAT_EVERY_S = 5.0
Result = TypeVar("Result")


async def beating(work: Awaitable[Result]) -> Result:
    """The work's result; Temporal hears every 5 s that it goes on. Ends the work where the step is cancelled."""
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait([task], timeout=BEAT_EVERY_S))[0]:
            activity.heartbeat()
    finally:
        task.cancel()
    return task.result()
