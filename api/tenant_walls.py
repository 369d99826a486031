"""What the edge must know of tenants before a route runs: their own limits, the origins of their sites, whose a key is.

Kept in the process and read again every few seconds, so that a request does not wait for it.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from api.errors import AWAY
from helios.crypto import token_hash
from helios.database import Database

log = structlog.get_logger()

READ_AGAIN_S = 10.0
# The route may have to wait for the same database, and promises an answer within 3 s.
WAIT_MOST_S = 0.5
KEYS_KEPT = 10_000

SETTINGS = text(
    "SELECT id, settings -> 'limits' AS limits, settings -> 'allowed_origins' AS origins FROM tenants "
    "WHERE deleted_at IS NULL AND (settings ? 'limits' OR settings ? 'allowed_origins')"
)
KEY = text("SELECT tenant_id FROM api_key_index WHERE key_hash = :key_hash")


@dataclass(frozen=True, slots=True)
class Walls:
    """By the tenant's id, of tenants that have set something."""

    limits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    origins: Mapping[str, frozenset[str]] = field(default_factory=dict)
    all_origins: frozenset[str] = frozenset()


class TenantWalls:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._known = Walls()
        self._read_at = -READ_AGAIN_S
        self._reading: asyncio.Task[None] | None = None
        self._keys: OrderedDict[bytes, UUID] = OrderedDict()

    async def known(self) -> Walls:
        """As read within the last seconds. Only a process's first request waits for the table."""
        first = self._read_at < 0
        if time.monotonic() - self._read_at >= READ_AGAIN_S and (self._reading is None or self._reading.done()):
            self._reading = asyncio.create_task(self._read())
        if first and self._reading is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._reading), WAIT_MOST_S)
        return self._known

    async def tenant_of_key(self, api_key: str) -> UUID | None:
        """Whose API key this is, expired and revoked ones included: for counting, not for letting in."""
        hashed = token_hash(api_key)
        if (known := self._keys.get(hashed)) is not None:
            self._keys.move_to_end(hashed)
            return known
        try:
            async with asyncio.timeout(WAIT_MOST_S), self._database.platform() as connection:
                found: UUID | None = (await connection.execute(KEY, {"key_hash": hashed})).scalar_one_or_none()
        except (SQLAlchemyError, *AWAY):
            return None
        if found is not None:
            self._keys[hashed] = found
            if len(self._keys) > KEYS_KEPT:
                self._keys.popitem(last=False)
        return found

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait((self._reading,))

    async def _read(self) -> None:
        try:
            async with self._database.platform() as connection:
                rows = (await connection.execute(SETTINGS)).all()
        except (SQLAlchemyError, *AWAY) as error:
            # What was known goes on; the routes say themselves that the database is away.
            log.warning("tenants' walls not read", error=type(error).__name__)
        else:
            origins = {str(row.id): frozenset(map(str, row.origins)) for row in rows if isinstance(row.origins, list)}
            self._known = Walls(
                limits={str(row.id): row.limits for row in rows if isinstance(row.limits, dict)},
                origins=origins,
                all_origins=frozenset().union(*origins.values()),
            )
        self._read_at = time.monotonic()
