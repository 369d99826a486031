"""Schedules of an earlier release start their workflows as this one does, and go on when and whether they did."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from temporalio.client import (
    ScheduleActionStartWorkflow,
    ScheduleIntervalSpec,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.common import Priority

from helios.batch_priorities import batch_priority
from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.keyring import Keyring
from helios.schedules import Schedules
from helios.settings import Settings
from helios.temporal import connect
from schema.knowledge_gaps import GAPS_WORKFLOW, gaps_id

HOURLY = timedelta(hours=7)


@pytest.mark.parametrize("older", ["no priority", "another queue"])
async def test_an_upgrade_renews_what_a_schedule_starts(
    stack: Stack, database: Database, keyring: Keyring, tenant_id: UUID, older: str
) -> None:
    servers = stack.servers
    config = Settings(temporal_address=servers.temporal_address, temporal_namespace=servers.temporal_namespace)
    client = await connect(config, keyring)
    await Schedules(database, client, config).ensure()
    handle = client.get_schedule_handle(gaps_id(tenant_id))

    def as_it_was(found: ScheduleUpdateInput) -> ScheduleUpdate:
        schedule = found.description.schedule
        assert isinstance(schedule.action, ScheduleActionStartWorkflow)
        if older == "no priority":
            schedule.action.priority = Priority()
        else:
            schedule.action.task_queue = "another"
        schedule.spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=HOURLY)])
        schedule.state.paused = True
        return ScheduleUpdate(schedule)

    await handle.update(as_it_was)
    assert await Schedules(database, client, config).ensure() == 0
    found = (await handle.describe()).schedule
    assert isinstance(found.action, ScheduleActionStartWorkflow)
    assert found.action.priority == batch_priority(GAPS_WORKFLOW, tenant_id)
    assert (found.action.workflow, found.action.task_queue) == (GAPS_WORKFLOW, config.temporal_batch_queue)
    assert found.action.typed_search_attributes
    assert (found.spec.intervals[0].every, found.state.paused) == (HOURLY, True)
    await handle.unpause()
