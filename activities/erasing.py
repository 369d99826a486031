"""Taking a conversation's text out of its rows: for somebody who is erased, and for what has been kept long enough."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

IN_CONVERSATION = "WHERE tenant_id = :tenant_id AND conversation_id = :conversation_id"
# What was found in the customer's words goes with them; what says how the answer came about stays.
ERASE = tuple(
    text(statement)
    for statement in (
        f"DELETE FROM messages {IN_CONVERSATION}",  # noqa: S608
        "UPDATE turns SET draft_ct = NULL, draft = NULL, record = record - '{intent,situations,situation,passages}'"  # noqa: S608
        f"::text[] {IN_CONVERSATION}",
        "UPDATE decisions SET content_ct = NULL, note_ct = NULL WHERE tenant_id = :tenant_id AND escalation_id IN "  # noqa: S608
        f"(SELECT id FROM escalations {IN_CONVERSATION})",
        f"UPDATE escalations SET summary_ct = NULL, draft_ct = NULL, draft_citations = '[]' {IN_CONVERSATION}",  # noqa: S608
        f"DELETE FROM gap_questions {IN_CONVERSATION}",  # noqa: S608
        f"DELETE FROM cached_answers {IN_CONVERSATION}",  # noqa: S608
        f"UPDATE feedback SET comment_ct = NULL {IN_CONVERSATION}",  # noqa: S608
        "UPDATE threads SET metadata_ct = NULL, channel = NULL, locale = NULL, language = NULL, erased_at = now() "
        "WHERE tenant_id = :tenant_id AND id = :conversation_id",
    )
)


async def erase_text(connection: AsyncConnection, where: dict[str, Any]) -> None:
    """`where` names `tenant_id` and `conversation_id`; the conversation's row is locked by the caller."""
    for statement in ERASE:
        await connection.execute(statement, where)
