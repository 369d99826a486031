"""A conversation replayed for an examiner, over the API: what `helios replay` tells, of one's own tenant."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Annotated, Any
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse

from api import conversation_examples as examples
from api.authentication import caller
from api.conversations import visible
from api.described import described
from api.problems import Problem
from api.state import State
from helios.settings import PROJECT
from helios.tokens import Identity

log = structlog.get_logger()
router = APIRouter(prefix="/v1/conversations", tags=["Audit"])

WITHIN_S = 60.0
RETRY_AFTER_S = 10
_turn = asyncio.Semaphore(1)
"""One at a time: it takes a process and some seconds of a core."""


@router.get(
    "/{conversation_id}/replay",
    **described(examples.REPLAY, "forbidden", "not_found", "dependency_unavailable", about="What was found"),
)
async def replay_conversation(
    conversation_id: UUID, services: State, auditor: Annotated[Identity, Depends(caller("audit.verify"))]
) -> Response:
    """Runs today's workflow code on the stored history, and holds history and record against each other.

    Takes seconds. While another replay runs it answers 503.
    """
    async with services.database.tenant(auditor.tenant_id) as connection:
        await visible(connection, auditor, conversation_id)
    if _turn.locked():
        raise Problem("dependency_unavailable", "Another conversation is being replayed.", retry_after_s=RETRY_AFTER_S)
    async with _turn:
        return JSONResponse(await _replay(conversation_id))


async def _replay(conversation_id: UUID) -> dict[str, Any]:
    """In a process of its own: it loads the workflows' code, which no API process has any other use for."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "helios", "replay", str(conversation_id), "--json",
        cwd=PROJECT, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        said, _ = await asyncio.wait_for(process.communicate(), WITHIN_S)
        found: dict[str, Any] = json.loads(said)
    except (TimeoutError, ValueError):
        log.warning("replay failed", exit_code=process.returncode)
        raise Problem("dependency_unavailable", retry_after_s=RETRY_AFTER_S) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return found
