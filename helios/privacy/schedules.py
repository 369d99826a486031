"""Retention's daily run: one Temporal schedule a tenant, made where there is none."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleSpec,
)
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from helios.database import Database
from helios.settings import Settings
from helios.temporal import CALL_TIMEOUT
from schema.privacy import RETENTION_WORKFLOW, retention_id
from schema.visibility import TENANT

DAILY = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(days=1))], jitter=timedelta(hours=2))
TENANTS = text("SELECT id FROM tenants")
"""Deleted ones as well: their records keep their retention."""


class RetentionSchedules:
    """Knows which tenants have theirs, so that a round without a new tenant asks the database alone."""

    def __init__(self, database: Database, client: Client, settings: Settings) -> None:
        self._database = database
        self._client = client
        self._queue = settings.temporal_batch_queue
        self._there: set[UUID] = set()

    async def ensure(self) -> int:
        """How many were made."""
        async with self._database.platform() as connection:
            tenants = set(await connection.scalars(TENANTS))
        made = 0
        for tenant_id in tenants - self._there:
            made += await self._make(tenant_id)
            self._there.add(tenant_id)
        return made

    async def _make(self, tenant_id: UUID) -> int:
        action = ScheduleActionStartWorkflow(
            RETENTION_WORKFLOW,
            id=retention_id(tenant_id),
            task_queue=self._queue,
            typed_search_attributes=TypedSearchAttributes([SearchAttributePair(TENANT, str(tenant_id))]),
            static_summary="What is due is deleted",
        )
        try:
            await self._client.create_schedule(
                retention_id(tenant_id), Schedule(action, DAILY), rpc_timeout=CALL_TIMEOUT
            )
        except ScheduleAlreadyRunningError:
            return 0
        return 1
