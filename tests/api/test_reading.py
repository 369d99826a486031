"""Looking changes nothing: an operation that only reads leaves every row as it was, or an event that tells of it."""

from __future__ import annotations

from uuid import UUID

import asyncpg
import pytest

from tests.api.conftest import Things, who_may
from tests.api.operations import Operation, operations
from tests.api.problems import digests

ENDLESS = "GET /v1/conversations/{conversation_id}/events"
LOOKS = [each for each in operations() if each.method == "GET" and str(each) != ENDLESS]


@pytest.mark.parametrize("operation", LOOKS, ids=str)
async def test_a_look_changes_nothing_that_no_event_tells_of(
    mine: Things, admin: asyncpg.Connection, operation: Operation
) -> None:
    tenant_id = UUID(mine.ids["tenant_id"])
    before = await digests(admin, tenant_id)
    await who_may(mine, operation)  # everybody asks, until somebody may
    after = await digests(admin, tenant_id)
    changed = {table for table in before if before[table] != after[table]}
    assert not changed or "audits" in changed, changed
