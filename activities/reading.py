"""Reading a conversation: rows come in, readable messages come out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio.exceptions import ApplicationError

from helios.crypto import Keys
from helios.tenant_settings import TenantSettings
from schema.steps import ConversationRef, TurnRef

CONTENT = "messages.content_ct"
DRAFT = "turns.draft_ct"
HISTORY_MESSAGES = 12

THREAD = text(
    """
    SELECT threads.*, tenants.name AS tenant_name, tenants.settings AS tenant_settings,
        (SELECT version FROM policies WHERE tenant_id = :tenant_id AND status = 'published') AS policy_version,
        (SELECT version FROM redaction_rules
         WHERE tenant_id = :tenant_id AND status = 'published') AS redaction_version,
        (SELECT version FROM intent_sets WHERE tenant_id = :tenant_id AND status = 'published') AS intents_version,
        (SELECT space FROM embedder_changes WHERE tenant_id = :tenant_id AND status = 'in_force') AS embedder_space
    FROM threads JOIN tenants ON tenants.id = threads.tenant_id
    WHERE threads.tenant_id = :tenant_id AND threads.id = :id
    """
)
LOCKED_THREAD = text(f"{THREAD.text} FOR UPDATE OF threads")
RECENT = text(
    """
    SELECT id, turn, CASE role WHEN 'system' THEN 'assistant' ELSE role END AS role, content_ct, masked, created_at
    FROM messages WHERE tenant_id = :tenant_id AND conversation_id = :conversation_id AND turn <= :turn
      AND (role <> 'system' OR origin LIKE 'correction:%')
    ORDER BY turn DESC, created_at DESC, id DESC LIMIT :most
    """
)


@dataclass(frozen=True, slots=True)
class StoredMessage:
    id: UUID
    turn: int
    role: Literal["customer", "assistant", "agent"]
    content: str
    masked: tuple[str, ...]
    created_at: datetime


async def read_thread(connection: AsyncConnection, ref: ConversationRef | TurnRef, *, lock: bool = False) -> Any:
    """The conversation's row with its tenant's name and settings. `lock` orders everything else behind us."""
    statement = LOCKED_THREAD if lock else THREAD
    found = await connection.execute(statement, {"tenant_id": ref.tenant_id, "id": ref.conversation_id})
    row = found.one_or_none()
    if row is None:
        raise ApplicationError("the conversation does not exist", type="not_found", non_retryable=True)
    if row.erased_at is not None:
        raise ApplicationError("the customer was erased", type="customer_erased", non_retryable=True)
    return row


async def read_messages(
    connection: AsyncConnection, keys: Keys, ref: TurnRef, most: int = HISTORY_MESSAGES
) -> list[StoredMessage]:
    """The newest messages up to and with this turn, oldest first. Of notices only corrections: whoever goes on must
    know that an answer was taken back.
    """
    rows = await connection.execute(
        RECENT,
        {"tenant_id": ref.tenant_id, "conversation_id": ref.conversation_id, "turn": ref.turn, "most": most},
    )
    return [
        StoredMessage(
            row.id,
            row.turn,
            row.role,
            keys.open_text(row.content_ct, CONTENT, row.id),
            tuple(row.masked),
            row.created_at,
        )
        for row in reversed(rows.all())
    ]


def settings_of(thread: Any) -> TenantSettings:
    """What its tenant has decided, as of the transaction that read the conversation."""
    return TenantSettings.of(thread.tenant_settings)


def question_of(messages: Sequence[StoredMessage], turn: int) -> str:
    """What the customer says in this turn: a burst is read as one text."""
    return "\n".join(each.content for each in messages if each.turn == turn and each.role == "customer")
