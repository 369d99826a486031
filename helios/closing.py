"""A closed conversation's workflow is told, at once or later: a run that was not told would wait until it is idle."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text

from helios.database import Database
from helios.temporal import Conversations

TOLD = text("UPDATE threads SET close_untold = false WHERE tenant_id = :tenant_id AND id = :id")


async def tell_closed(database: Database, conversations: Conversations, tenant_id: UUID, conversation_id: UUID) -> None:
    """Where no run is left, there is nobody to tell. Raises `RPCError`: Temporal is away, and the sweeper tells it."""
    await conversations.signal(tenant_id, conversation_id, "close")
    async with database.tenant(tenant_id) as connection:
        await connection.execute(TOLD, {"tenant_id": tenant_id, "id": conversation_id})
