"""What runs for each tenant in its time: Temporal schedules, made where there are none and renewed by an upgrade."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from temporalio.client import (
    Client,
    Schedule,
    ScheduleAction,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from helios.batch_priorities import batch_priority
from helios.database import Database
from helios.settings import Settings
from helios.temporal import CALL_TIMEOUT
from schema.ingestion import SYNC_WORKFLOW, sync_id
from schema.knowledge_gaps import GAPS_WORKFLOW, gaps_id
from schema.privacy import RETENTION_WORKFLOW, retention_id
from schema.reports import REPORTS_WORKFLOW, reports_id
from schema.visibility import TENANT

TENANTS = text("SELECT id FROM tenants")
"""Deleted ones as well: their records keep their retention."""


@dataclass(frozen=True, slots=True)
class Recurring:
    """`id_of` a tenant names its schedule."""

    workflow: str
    id_of: Callable[[UUID], str]
    every: timedelta
    jitter: timedelta
    summary: str


RECURRING = (
    Recurring(RETENTION_WORKFLOW, retention_id, timedelta(days=1), timedelta(hours=2), "What is due is deleted"),
    Recurring(REPORTS_WORKFLOW, reports_id, timedelta(days=1), timedelta(hours=2), "Reports whose period has ended"),
    Recurring(GAPS_WORKFLOW, gaps_id, timedelta(days=1), timedelta(hours=2), "What nothing answered is grouped"),
    Recurring(SYNC_WORKFLOW, sync_id, timedelta(hours=1), timedelta(minutes=30), "Pages and sitemaps are looked at"),
)


class Schedules:
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
            for each in RECURRING:
                made += await self._make(tenant_id, each)
            self._there.add(tenant_id)
        return made

    async def _make(self, tenant_id: UUID, each: Recurring) -> int:
        action = ScheduleActionStartWorkflow(
            each.workflow,
            id=each.id_of(tenant_id),
            task_queue=self._queue,
            typed_search_attributes=TypedSearchAttributes([SearchAttributePair(TENANT, str(tenant_id))]),
            static_summary=each.summary,
            priority=batch_priority(each.workflow, tenant_id),
        )
        spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=each.every)], jitter=each.jitter)
        try:
            await self._client.create_schedule(each.id_of(tenant_id), Schedule(action, spec), rpc_timeout=CALL_TIMEOUT)
        except ScheduleAlreadyRunningError:
            await self._renew(each.id_of(tenant_id), action)
            return 0
        return 1

    async def _renew(self, schedule_id: str, action: ScheduleActionStartWorkflow) -> None:
        """What an earlier release made starts as this one would; when it runs, and whether it is paused, stays."""

        def renewed(found: ScheduleUpdateInput) -> ScheduleUpdate | None:
            schedule = found.description.schedule
            if _starts(schedule.action) == _starts(action):
                return None
            schedule.action = action
            return ScheduleUpdate(schedule)

        await self._client.get_schedule_handle(schedule_id).update(renewed, rpc_timeout=CALL_TIMEOUT)


def _starts(action: ScheduleAction) -> tuple[object, ...] | None:
    if not isinstance(action, ScheduleActionStartWorkflow):
        return None
    return action.workflow, action.id, action.task_queue, action.priority
