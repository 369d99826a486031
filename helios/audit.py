"""Audit events, written in the transaction of the change: no event, no change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

import rfc8785
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from helios.ids import new_id
from schema.tables import Audit

ActorType = Literal["customer", "user", "api_key", "system", "ops", "restore"]


async def record(
    connection: AsyncConnection,
    tenant_id: UUID,
    action: str,
    *,
    actor: tuple[ActorType, UUID | None],
    subject: tuple[str, UUID | None],
    detail: Mapping[str, Any] | None = None,
) -> None:
    """`action` is `noun.verb_in_past`, e.g. `message.accepted`. `detail` holds ids, enums and scores only.

    Raises `rfc8785.CanonicalizationError` for a detail that has no canonical form: it could never be sealed.
    """
    told = dict(detail or {})
    rfc8785.dumps(told)
    await connection.execute(
        insert(Audit).values(
            tenant_id=tenant_id,
            id=new_id(),
            action=action,
            actor_type=actor[0],
            actor_id=actor[1],
            subject_type=subject[0],
            subject_id=subject[1],
            detail=told,
        )
    )
