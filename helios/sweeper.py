"""Nothing accepted is forgotten: conversations whose newest turn has not ended are signalled again, as are closed ones
of which Temporal did not hear.

The conversation's own row is the outbox: `open_turn > completed_turn` says that there is work. Signalling twice is
harmless, because a workflow only counts up to the highest turn that it was told of.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from temporalio.service import RPCError

from helios.closing import tell_closed
from helios.database import Database
from helios.rounds import SHARE, URGENT, rest_s
from helios.temporal import Conversations
from schema.steps import PostMessage

log = structlog.get_logger()

EVERY_S = 2.0
# A healthy turn is taken up in milliseconds; a running one shows life in its facts.
QUIET = timedelta(seconds=5)
MOST = 200

TENANTS = text("SELECT id FROM tenants WHERE deleted_at IS NULL")
UNFINISHED = text(
    """
    SELECT DISTINCT ON (threads.id) threads.id, threads.open_turn, messages.id AS message_id
    FROM threads JOIN messages ON messages.tenant_id = threads.tenant_id
        AND messages.conversation_id = threads.id AND messages.turn = threads.open_turn
    WHERE threads.tenant_id = :tenant_id AND open_turn > completed_turn
      AND threads.updated_at < now() - CAST(:quiet AS interval)
    ORDER BY threads.id, messages.id DESC LIMIT :most
    """
)
UNTOLD = text(
    """
    SELECT id FROM threads WHERE tenant_id = :tenant_id AND close_untold
      AND closed_at < now() - CAST(:quiet AS interval) ORDER BY id LIMIT :most
    """
)


async def sweep(database: Database, conversations: Conversations, quiet: timedelta = QUIET) -> int:
    """One round over all tenants. Returns how many conversations were signalled again."""
    async with database.platform() as connection:
        tenants = list(await connection.scalars(TENANTS))
    signalled = 0
    for tenant_id in tenants:
        async with database.tenant(tenant_id) as connection:
            where = {"tenant_id": tenant_id, "quiet": quiet, "most": MOST}
            rows = (await connection.execute(UNFINISHED, where)).all()
            closed = list(await connection.scalars(UNTOLD, where))
        for row in rows:
            await conversations.post_message(tenant_id, row.id, PostMessage(row.message_id, row.open_turn))
        for conversation_id in closed:
            await tell_closed(database, conversations, tenant_id, conversation_id)
        signalled += len(rows) + len(closed)
    return signalled


async def sweep_for_ever(database: Database, conversations: Conversations) -> None:
    await repeat_for_ever("conversations", partial(sweep, database, conversations), EVERY_S, URGENT)


async def repeat_for_ever(
    what: str, one_round: Callable[[], Awaitable[int]], every_s: float, share: float = SHARE
) -> None:
    """Runs beside the worker. Nothing is a reason to stop: who waits for it has no other hope."""
    while True:
        began = time.monotonic()
        try:
            if again := await one_round():
                log.info("signalled again", what=what, count=again)
        except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, RPCError, OSError) as error:
            log.warning("sweep failed", what=what, error=type(error).__name__)
        except Exception as error:
            log.error("sweep failed", what=what, exc_info=error)
        await asyncio.sleep(rest_s(time.monotonic() - began, every_s, share))
