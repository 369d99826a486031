"""The model that a turn of a tenant uses: its published version's, kept in memory as long as there is room.

A version never changes, so what was read stays true; which one is published is read with each turn.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios.intents.document import SHIPPED_VERSION
from helios.models.embedder import TextEncoder
from helios.models.intent import IntentClassifier

log = structlog.get_logger()

KEPT_MOST: Final = 128 * 1024**2
"""Bytes of weights as they are stored, which take twice as much in memory: about a hundred tenants' models."""
WEIGHTS = text(
    "SELECT weights, embedder FROM intent_models WHERE tenant_id = :tenant_id AND version = :version"
)  # fmt: skip


class TenantIntents:
    """Classifiers by tenant and version, the one that was asked for last at the end."""

    def __init__(self, kept_most: int = KEPT_MOST) -> None:
        self._kept_most = kept_most
        self._held = 0
        self._known: OrderedDict[tuple[UUID, int], tuple[IntentClassifier, int]] = OrderedDict()

    async def of(
        self, connection: AsyncConnection, tenant_id: UUID, version: int, encoder: TextEncoder
    ) -> IntentClassifier | None:
        """A version's classifier; None where the shipped one is to be used. `connection`: a transaction of the tenant.

        One that was trained for another embedder's vectors knows nothing of these: the tenant has it trained again.
        """
        if version == SHIPPED_VERSION:
            return None
        key = (tenant_id, version)
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key][0]
        row = (await connection.execute(WEIGHTS, {"tenant_id": tenant_id, "version": version})).one_or_none()
        if row is None or row.embedder != encoder.name:
            log.warning("the tenant's intents do not fit the embedder", version=version)
            return None
        found = IntentClassifier.from_bytes(row.weights, encoder.dimension)
        if found is not None:
            self._keep(key, found, len(row.weights))
        return found

    def _keep(self, key: tuple[UUID, int], classifier: IntentClassifier, size: int) -> None:
        # Two turns may have read the same one at once.
        _, before = self._known.pop(key, (None, 0))
        self._known[key] = (classifier, size)
        self._held += size - before
        while self._held > self._kept_most and len(self._known) > 1:
            _, (_, gone) = self._known.popitem(last=False)
            self._held -= gone
