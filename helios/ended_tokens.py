"""Customers' access tokens that end before their time: the customer signed out, the tenant ended their access, or the
API key behind them was revoked.

Both are rows in PostgreSQL that are written anyway. A process reads what is new of a tenant once in `FRESH_S`, and asks
nobody in between: a customer's request costs no round trip more, and nothing is lost with a Valkey that forgets. Where
PostgreSQL does not answer, nobody is let in on what was known before.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios import audit
from helios.database import Database
from helios.tokens import CUSTOMER_LIFETIME, Identity

FRESH_S = 2.0
KEPT_MOST = 10_000
# What began before the last look may be committed after it, and clocks differ.
LOOK_BACK = timedelta(minutes=1)

MARKS = text(
    """
    SELECT id, tokens_ended_at AS ended_at FROM customers
    WHERE tenant_id = :tenant_id AND tokens_ended_at > :since
    UNION ALL
    SELECT id, deleted_at FROM api_keys WHERE tenant_id = :tenant_id AND deleted_at > :since
    """
)
# By the clock that tokens are signed by: the next one is later than this, whatever the server's clock says.
END = text(
    "UPDATE customers SET tokens_ended_at = :now WHERE tenant_id = :tenant_id AND id = :id AND erased_at IS NULL"
)


async def end(
    connection: AsyncConnection,
    tenant_id: UUID,
    customer_id: UUID,
    *,
    reason: str,
    actor: tuple[audit.ActorType, UUID | None],
) -> bool:
    """Ends every token that this customer has; new ones are good. False where the tenant has no such customer."""
    done = await connection.execute(END, {"tenant_id": tenant_id, "id": customer_id, "now": datetime.now(UTC)})
    if done.rowcount == 0:
        return False
    subject = ("customer", customer_id)
    await audit.record(
        connection, tenant_id, "customer.tokens_ended", actor=actor, subject=subject, detail={"reason": reason}
    )
    return True


@dataclass(slots=True)
class _Known:
    asked_at: float
    """Of the process's own clock."""
    upto: datetime
    marks: dict[UUID, datetime] = field(default_factory=dict)
    """Customers and API keys, and when their tokens ended."""


class EndedTokens:
    """What this process knows of tokens that have ended, at most `FRESH_S` old."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[UUID, _Known] = {}
        self._ended_here = 0

    async def include(self, identity: Identity) -> bool:
        marks = await self._marks(identity.tenant_id)
        if identity.api_key_id is not None and identity.api_key_id in marks:
            return True
        ended_at = marks.get(identity.id)
        return ended_at is not None and (identity.issued_at is None or identity.issued_at <= ended_at)

    def look_again(self, tenant_id: UUID) -> None:
        """For the process that ended some: it knows at once."""
        self._ended_here += 1
        if (known := self._known.get(tenant_id)) is not None:
            known.asked_at = float("-inf")

    async def _marks(self, tenant_id: UUID) -> dict[UUID, datetime]:
        known = self._known.get(tenant_id)
        if known is not None and time.monotonic() - known.asked_at < FRESH_S:
            return known.marks
        if known is not None:
            # One asks; whoever comes meanwhile goes on with what is known.
            known.asked_at = time.monotonic()
        ended_here = self._ended_here
        try:
            known = await self._read(tenant_id, known)
        except BaseException:
            self._known.pop(tenant_id, None)
            raise
        if len(self._known) >= KEPT_MOST:
            self._known.pop(next(iter(self._known)))
        if ended_here != self._ended_here:
            known.asked_at = float("-inf")  # it may have looked a moment too early
        self._known[tenant_id] = known
        return known.marks

    async def _read(self, tenant_id: UUID, known: _Known | None) -> _Known:
        asked_at, now = time.monotonic(), datetime.now(UTC)
        oldest = now - CUSTOMER_LIFETIME - LOOK_BACK
        since = oldest if known is None else max(oldest, known.upto - LOOK_BACK)
        async with self._database.tenant(tenant_id) as connection:
            rows = await connection.execute(MARKS, {"tenant_id": tenant_id, "since": since})
            new = {row.id: row.ended_at for row in rows}
        kept = {} if known is None else {mark: at for mark, at in known.marks.items() if at > oldest}
        return _Known(asked_at, now, {**kept, **new})
