"""Waiting for the workflow engine, but not for ever: a caller has a 503 within 3 s."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from api.problems import Problem

Result = TypeVar("Result")


async def within(seconds: float, work: Awaitable[Result]) -> Result:
    """Raises a 503 problem where no worker has answered in time. What was begun may still happen."""
    try:
        return await asyncio.wait_for(work, seconds)
    except TimeoutError:
        raise Problem("workflow_unavailable", retry_after_s=2) from None
