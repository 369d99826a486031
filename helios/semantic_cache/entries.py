"""The entries of the semantic cache: how they are named, found, kept and swept.

An entry is a question that a turn answered; the answer itself is that turn's. So whatever happens to the turn happens
to the entry: one that did not end as answered, was erased, or did not help its customer serves nobody.

Questions and vectors are sealed with the key of the customer who asked, which an erasure destroys. What names an entry
is an HMAC under the tenant's key.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios.crypto import Keys
from helios.knowledge.visible import FOR_CUSTOMER_IN, IN_FORCE
from helios.llm.prompting import PROMPT_VERSION
from helios.rules.policy import Policy
from helios.semantic_cache.agreement import Asked, sketch

KEY: Final = "cached_answers.key"
QUESTION: Final = "cached_answers.question_ct"
VECTOR: Final = "cached_answers.vector_ct"
FORMAT: Final = 1
"""Goes into every key: raise it when what makes an answer another one changes."""
CANDIDATES: Final = 10

# All that this customer's answers may rest on at this moment. Any change of it makes every older entry unreachable.
KNOWLEDGE = text(
    f"""
    SELECT md5(coalesce(string_agg(source.id || ':' || version.version, ',' ORDER BY source.id), ''))
    FROM knowledge_sources AS source JOIN knowledge_versions AS version ON version.tenant_id = source.tenant_id
      AND version.source_id = source.id AND version.version = source.published_version
    WHERE source.tenant_id = :tenant_id AND {FOR_CUSTOMER_IN} AND {IN_FORCE}
    """  # noqa: S608 - constants of ours
)
FIND = text(
    """
    SELECT entry.conversation_id, entry.turn, entry.question_ct, entry.vector_ct, turns.draft_ct, turns.draft
    FROM cached_answers AS entry JOIN turns ON turns.tenant_id = entry.tenant_id
      AND turns.conversation_id = entry.conversation_id AND turns.number = entry.turn
    WHERE entry.tenant_id = :tenant_id AND entry.key = :key AND turns.outcome = 'answered'
      AND turns.draft_ct IS NOT NULL AND entry.kept_at > now() - make_interval(days => :days)
      AND NOT EXISTS (
        SELECT FROM feedback WHERE feedback.tenant_id = entry.tenant_id
          AND feedback.conversation_id = entry.conversation_id AND feedback.message_id = turns.reply_id
          AND NOT feedback.helpful)
    ORDER BY entry.kept_at DESC, entry.conversation_id LIMIT :most
    """
)
# Whoever erases a conversation holds its row: the entry is kept before that, and goes with it, or not at all.
KEEP = text(
    """
    INSERT INTO cached_answers (tenant_id, conversation_id, turn, key, question_ct, vector_ct)
    SELECT tenant_id, id, :turn, :key, :question_ct, :vector_ct FROM threads
    WHERE tenant_id = :tenant_id AND id = :conversation_id AND erased_at IS NULL FOR UPDATE
    ON CONFLICT DO NOTHING
    """
)
SWEEP = text(
    f"""
    DELETE FROM cached_answers AS entry USING turns
    WHERE entry.tenant_id = :tenant_id AND turns.tenant_id = entry.tenant_id
      AND turns.conversation_id = entry.conversation_id AND turns.number = entry.turn
      AND (entry.kept_at < now() - make_interval(days => :days)
        OR turns.outcome IS DISTINCT FROM 'answered' AND entry.kept_at < now() - interval '1 day'
        OR EXISTS (
          SELECT FROM jsonb_array_elements(turns.draft -> 'citations') AS cited
          WHERE NOT EXISTS (
            SELECT FROM knowledge_sources AS source JOIN knowledge_versions AS version
              ON version.tenant_id = source.tenant_id AND version.source_id = source.id
            WHERE source.tenant_id = entry.tenant_id AND source.id = CAST(cited ->> 'source_id' AS uuid)
              AND version.version = CAST(cited ->> 'version' AS int) AND {IN_FORCE})))
    """  # noqa: S608 - a constant of ours
)


@dataclass(frozen=True, slots=True)
class Setting:
    """All that an answer depends on besides its question, but for the knowledge, which is read when it is needed."""

    audiences: Sequence[str]
    policy: Policy
    redaction_version: int
    bank_name: str
    generator: Sequence[str]
    """The provider, its address and its model."""
    max_output_tokens: int
    encoder: str


async def key_of(
    connection: AsyncConnection, keys: Keys, setting: Setting, asked: Asked, conversation_id: UUID
) -> bytes:
    """What names the entries that may answer this question. Of two with different keys none serves the other."""
    where = {"tenant_id": keys.tenant_id, "conversation_id": conversation_id}
    knowledge = (await connection.execute(KNOWLEDGE, where)).scalar_one()
    named = [
        FORMAT, PROMPT_VERSION, sorted(setting.audiences), knowledge, setting.policy.version, setting.policy.digest,
        setting.redaction_version, setting.bank_name, list(setting.generator), setting.max_output_tokens,
        setting.encoder, asked.language, sketch(asked.text, asked.language),
    ]  # fmt: skip
    return keys.blind_index(json.dumps(named, ensure_ascii=False), KEY)


async def find(connection: AsyncConnection, tenant_id: UUID, key: bytes, days: int) -> Sequence[Any]:
    """Rows of entries with this key and their turns, newest first."""
    where = {"tenant_id": tenant_id, "key": key, "days": days, "most": CANDIDATES}
    return (await connection.execute(FIND, where)).all()


def opened(keys: Keys, row: Any, language: str) -> Asked:
    """The question of an entry. Raises `CryptoError`."""
    place = (row.conversation_id, row.turn)
    vector = np.frombuffer(keys.open(row.vector_ct, VECTOR, place), dtype=np.float16).astype(np.float32)
    return Asked(keys.open_text(row.question_ct, QUESTION, place), language, vector)


async def keep(
    connection: AsyncConnection, keys: Keys, key: bytes, asked: Asked, conversation_id: UUID, turn: int
) -> bool:
    """Whether it was new. Raises `Shredded` where the customer was erased."""
    place = (conversation_id, turn)
    values = {
        "tenant_id": keys.tenant_id, "conversation_id": conversation_id, "turn": turn, "key": key,
        "question_ct": keys.seal_text(asked.text, QUESTION, place),
        "vector_ct": keys.seal(asked.vector.astype(np.float16).tobytes(), VECTOR, place),
    }  # fmt: skip
    return (await connection.execute(KEEP, values)).rowcount > 0


async def sweep(connection: AsyncConnection, tenant_id: UUID, days: int) -> None:
    """Deletes what serves nobody any more: too old, of turns without an answer, or resting on what is not in force."""
    await connection.execute(SWEEP, {"tenant_id": tenant_id, "days": days})
