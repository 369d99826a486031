"""Who got in and who did not, as audit events: counted, so that a flood fills nothing, and without a person's data."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from api.access_log import ACTORS_MOST, AccessLog
from helios.database import Database
from helios.ids import new_id
from helios.tokens import Identity
from tests.api.problems import assert_problem
from tests.tenants.conftest import Bank


async def heard(bank: Bank, action: str, least: int, **where: str) -> list[dict[str, Any]]:
    """The events, once there are so many requests in them: they are written a moment later."""
    async with asyncio.timeout(20):
        while True:
            events = await bank.events(action, **where)
            if sum(each["detail"]["count"] for each in events) >= least:
                return events
            await asyncio.sleep(0.1)


async def test_refusals_are_counted_by_actor_and_route(bank: Bank) -> None:
    agent = bank.user("agent")
    for _ in range(5):
        assert_problem(await bank.ask("GET", "/v1/api-keys", "agent"), code="forbidden")
    foreign = uuid4()
    assert_problem(await bank.ask("GET", f"/v1/conversations/{foreign}", "agent"), code="not_found")
    events = await heard(bank, "access.refused", 6, actor_id=agent)
    counted: dict[tuple[str, int], int] = {}
    for each in events:
        key = (each["detail"]["route"], each["detail"]["status"])
        counted[key] = counted.get(key, 0) + each["detail"]["count"]
    assert counted == {("/v1/api-keys", 403): 5, ("/v1/conversations/{conversation_id}", 404): 1}
    assert {each["actor"]["id"] for each in events} == {agent}
    assert str(foreign) not in str(events)


async def test_what_is_sensitive_is_noted_when_it_is_allowed_too(bank: Bank) -> None:
    await bank.ask("GET", "/v1/users", "supervisor")
    events = await heard(bank, "access.granted", 1, actor_id=bank.user("supervisor"))
    assert [each["detail"]["route"] for each in events] == ["/v1/users"]
    await bank.ask("GET", "/v1/conversations", "supervisor")
    assert_problem(await bank.ask("GET", "/v1/api-keys", "supervisor"), code="forbidden")
    await heard(bank, "access.refused", 1, actor_id=bank.user("supervisor"))
    assert len(await bank.events("access.granted", actor_id=bank.user("supervisor"))) == 1


async def test_auditors_filter_and_page_and_others_see_nothing(bank: Bank) -> None:
    for role in ("agent", "supervisor"):
        assert_problem(await bank.ask("GET", "/v1/audit/events", role), code="forbidden")
    await bank.ask("PATCH", f"/v1/users/{bank.user('agent')}", json={"display_name": "Other"})
    changed = await bank.events("user.changed")
    assert len(changed) == 1
    at = changed[0]["occurred_at"]
    assert await bank.events("user.changed", to=at) == []
    assert len(await bank.events("user", subject_id=bank.user("agent"), **{"from": at})) == 1
    assert await bank.events("user", subject_type="tenant") == []
    assert await bank.events("use") == []
    for wrong in ({"action": "x'; --"}, {"from": "yesterday"}, {"from": "2026-01-01T00:00:00"}, {"actor_id": "me"}):
        assert_problem(await bank.ask("GET", "/v1/audit/events", "auditor", params=wrong), 422, why=wrong)


@pytest.fixture
async def log(database: Database) -> AccessLog:
    return AccessLog(database, 3600)


async def written(database: Database, tenant_id: UUID, route: str) -> list[Any]:
    statement = text(
        "SELECT actor_id, detail FROM audits WHERE action LIKE 'access.%' AND detail ->> 'method' = :route"
    )
    async with database.tenant(tenant_id) as connection:
        return list((await connection.execute(statement, {"route": route})).all())


async def test_a_flood_makes_few_events(database: Database, bank: Bank, log: AccessLog) -> None:
    for _ in range(10 * ACTORS_MOST):
        somebody = Identity(bank.id, new_id(), "customer", frozenset({"customer"}), new_id())
        for _ in range(3):
            log.count(somebody, ("access.refused", "customer", somebody.id, "FLOOD", "/x", 404))
    await log.write()
    rows = await written(database, bank.id, "FLOOD")
    others = await written(database, bank.id, "*")
    assert len(rows) == ACTORS_MOST
    assert sum(row.detail["count"] for row in (*rows, *others)) == 30 * ACTORS_MOST
    assert [(row.actor_id, row.detail["route"]) for row in others] == [(None, "others")]


async def test_what_cannot_be_written_is_kept_for_the_next_time(database: Database, bank: Bank) -> None:
    somebody = Identity(bank.id, new_id(), "user", frozenset(), new_id())
    entry: Any = ("access.refused", "user", somebody.id, "KEPT", "/x", 403)
    nowhere = Database("postgresql://nobody:none@127.0.0.1:1/none", pool_size=1)
    log = AccessLog(nowhere, 3600)
    log.count(somebody, entry)
    await log.write()
    log.count(somebody, entry)
    log._database = database
    await log.write()
    await log.write()
    assert [row.detail["count"] for row in await written(database, bank.id, "KEPT")] == [2]
    await nowhere.close()
