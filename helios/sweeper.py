"""Nothing accepted is forgotten: conversations whose newest turn has not ended are signalled again, as are closed ones
of which Temporal did not hear.

The conversation's own row is the outbox: `open_turn > completed_turn` says that there is work. Signalling twice is
harmless, because a workflow only counts up to the highest turn that it was told of.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from helios.closing import tell_closed
from helios.database import Database
from helios.every_tenant import ask_every_tenant
from helios.temporal import Conversations
from schema.steps import PostMessage

EVERY_S = 2.0
# A healthy turn is taken up in milliseconds; a running one shows life in its facts.
QUIET = timedelta(seconds=5)

UNFINISHED = """
    SELECT DISTINCT ON (threads.id) threads.id, threads.open_turn, messages.id AS message_id
    FROM threads JOIN messages ON messages.tenant_id = threads.tenant_id
        AND messages.conversation_id = threads.id AND messages.turn = threads.open_turn
    WHERE threads.tenant_id = $1 AND open_turn > completed_turn
      AND threads.updated_at < now() - CAST($2 ->> 'quiet' AS interval)
    ORDER BY threads.id, messages.id DESC LIMIT 200
"""
UNTOLD = """
    SELECT id FROM threads WHERE tenant_id = $1 AND close_untold
      AND closed_at < now() - CAST($2 ->> 'quiet' AS interval) ORDER BY id LIMIT 200
"""


async def sweep(database: Database, conversations: Conversations, quiet: timedelta = QUIET) -> int:
    """One round over all tenants. Returns how many conversations were signalled again."""
    where = {"quiet": f"{quiet.total_seconds()} s"}
    unfinished = await ask_every_tenant(database, UNFINISHED, where)
    for found in unfinished:
        message = PostMessage(UUID(found.row["message_id"]), found.row["open_turn"])
        await conversations.post_message(found.tenant_id, UUID(found.row["id"]), message)
    closed = await ask_every_tenant(database, UNTOLD, where)
    for found in closed:
        await tell_closed(database, conversations, found.tenant_id, UUID(found.row["id"]))
    return len(unfinished) + len(closed)
