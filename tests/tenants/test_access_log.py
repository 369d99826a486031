"""Who got in and who did not, as audit events: counted, so that a flood fills nothing, and without a person's data."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from api.access_log import OTHERS_MOST, ROUTES_MOST, WRITTEN_AT_ONCE, AccessLog, Entry
from helios import invitations
from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.ids import new_id
from helios.keyring import Keyring
from tests.api.beside import served_beside
from tests.api.problems import assert_problem
from tests.api.test_websocket import opened
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
    await bank.ask("GET", "/v1/knowledge/sources", "supervisor")
    assert_problem(await bank.ask("GET", "/v1/api-keys", "supervisor"), code="forbidden")
    await heard(bank, "access.refused", 1, actor_id=bank.user("supervisor"))
    assert len(await bank.events("access.granted", actor_id=bank.user("supervisor"))) == 1


async def test_who_of_the_staff_read_which_conversation_is_on_record_and_customers_are_not(bank: Bank) -> None:
    customer = await (await bank.api.customer()).open()
    await customer.get()
    path = f"/v1/conversations/{customer.conversation}"
    for _ in range(2):
        assert (await bank.ask("GET", path, "agent")).status_code == 200
    assert (await bank.ask("GET", f"{path}/messages", "agent")).status_code == 200
    events = await heard(bank, "access.granted", 3, actor_id=bank.user("agent"))
    assert {each["detail"]["route"] for each in events} == {
        "/v1/conversations/{conversation_id}", "/v1/conversations/{conversation_id}/messages",
    }  # fmt: skip
    assert {(each["subject"]["type"], each["subject"]["id"]) for each in events} == {
        ("conversation", customer.conversation)
    }
    assert await bank.events("access.granted", actor_id=customer.id) == []


async def test_the_end_of_a_session_and_of_a_key_are_noted_with_the_whole_route_and_the_status(bank: Bank) -> None:
    agent = bank.user("agent")
    headers = await bank.api.staff("agent")
    await bank.api.http.post("/v1/auth/logout", headers=headers)
    assert_problem(await bank.api.http.get("/v1/auth/me", headers=headers), code="unauthenticated")
    (event,) = await heard(bank, "access.refused", 1, actor_id=agent)
    assert (event["detail"]["route"], event["detail"]["status"]) == ("/v1/auth/me", 401)
    signs_in = {"tenant": bank.api.demo["tenant"], **bank.api.demo["users"]["supervisor"]}
    first = (await bank.api.http.post("/v1/auth/login", json=signs_in)).json()["refresh_token"]
    newest = (await bank.api.http.post("/v1/auth/refresh", json={"refresh_token": first})).json()["refresh_token"]
    await bank.api.http.post("/v1/auth/refresh", json={"refresh_token": newest})
    reused = await bank.api.http.post("/v1/auth/refresh", json={"refresh_token": first})
    assert_problem(reused, code="unauthenticated")
    (event,) = await heard(bank, "access.refused", 1, actor_id=bank.user("supervisor"))
    assert event["detail"]["route"] == "/v1/auth/refresh"
    made = await bank.ask("POST", "/v1/api-keys", json={"name": "gone", "scopes": ["customer_tokens"]})
    key = made.json()
    await bank.ask("DELETE", f"/v1/api-keys/{key['id']}")
    sent = {"X-API-Key": key["key"]}
    answer = await bank.api.http.post("/v1/customer-tokens", json={"external_id": "x"}, headers=sent)
    assert_problem(answer, code="invalid_api_key")
    (event,) = await heard(bank, "access.refused", 1, actor_id=key["id"])
    assert (event["actor"]["type"], event["detail"]["route"]) == ("api_key", "/v1/customer-tokens")


async def test_guessing_codes_is_noted_by_count_and_without_the_code(
    bank: Bank, database: Database, keyring: Keyring
) -> None:
    async with database.tenant(bank.id) as connection:
        keys = await keyring.tenant(bank.id)
        made = await invitations.create(connection, keys, email="n@x.example", roles=["agent"], actor=("system", None))
    known, account = made.token.rpartition(".")[0], {"display_name": "Nora", "password": "six words that only I know"}
    for secret in ("x", "y", "z"):
        guess = {"invitation": f"{known}.{secret}", **account}
        assert_problem(await bank.api.http.post("/v1/auth/register", json=guess), code="invalid_invitation")
        guess = {"token": f"{known}.{secret}", "new_password": account["password"]}
        assert_problem(await bank.api.http.post("/v1/auth/password/reset", json=guess), code="invalid_reset_token")
        guess = {"code": f"{bank.id.hex}.{secret}", "verifier": "v" * 43}
        assert_problem(await bank.api.http.post("/v1/auth/sso/token", json=guess), code="invalid_sso_code")
    events = await heard(bank, "access.refused", 9)
    counted: Counter[str] = Counter()
    for each in events:
        counted[each["detail"]["route"]] += each["detail"]["count"]
        assert (each["actor"]["id"], each["subject"]["id"], each["detail"]["status"]) == (None, None, 422)
    assert counted == {"/v1/auth/register": 3, "/v1/auth/password/reset": 3, "/v1/auth/sso/token": 3}
    assert str(made.id) not in str(events)


async def test_a_code_that_names_no_tenant_leaves_nothing_to_be_written(stack: Stack) -> None:
    async with served_beside(stack) as (at, services), httpx.AsyncClient(base_url=at) as client:
        for code in (f"{uuid4()}.{uuid4()}.x", "x"):
            guess = {"token": code, "new_password": "six words that only I know"}
            assert_problem(await client.post("/v1/auth/password/reset", json=guess), code="invalid_reset_token")
        assert services.access._windows == {}


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
        "SELECT actor_id, subject_id, detail FROM audits WHERE action LIKE 'access.%' AND detail ->> 'method' = :route"
    )
    async with database.tenant(tenant_id) as connection:
        return list((await connection.execute(statement, {"route": route})).all())


async def test_a_flood_of_many_makes_few_events(database: Database, bank: Bank, log: AccessLog) -> None:
    for _ in range(10 * OTHERS_MOST):
        somebody = new_id()
        for _ in range(3):
            log.count(bank.id, Entry("access.refused", "customer", somebody, "FLOOD", "/x", 404))
    await log.write()
    rows = await written(database, bank.id, "FLOOD")
    assert len(rows) == OTHERS_MOST + 1
    assert sum(row.detail["count"] for row in rows) == 30 * OTHERS_MOST
    assert [row.detail["count"] for row in rows if row.actor_id is None] == [27 * OTHERS_MOST]


async def test_nobody_of_the_staff_hides_in_a_flood(database: Database, bank: Bank, log: AccessLog) -> None:
    agent = new_id()
    for n in range(3 * ROUTES_MOST):
        log.count(bank.id, Entry("access.refused", "user", agent, "HIDE", f"/{n}", 403))
        log.count(bank.id, Entry("access.refused", "customer", new_id(), "HIDE", f"/{n}", 404))
    looked_at = [("conversation", new_id()) for _ in range(WRITTEN_AT_ONCE + 1)]
    for subject in looked_at:
        log.count(bank.id, Entry("access.granted", "user", agent, "SEEN", "/x", 200, subject))
    await log.write()
    seen = await written(database, bank.id, "SEEN")
    assert {(row.actor_id, row.subject_id) for row in seen} == {(agent, each) for _, each in looked_at}
    refused = [row for row in await written(database, bank.id, "*") if row.actor_id == agent]
    assert [row.detail["count"] for row in refused] == [2 * ROUTES_MOST]


async def test_what_cannot_be_written_is_kept_for_the_next_time(database: Database, bank: Bank) -> None:
    entry = Entry("access.refused", "user", new_id(), "KEPT", "/x", 403)
    nowhere = Database("postgresql://nobody:none@127.0.0.1:1/none", pool_size=1)
    log = AccessLog(nowhere, 3600)
    log.count(bank.id, entry)
    await log.write()
    log.count(bank.id, entry)
    log._database = database
    await log.write()
    await log.write()
    assert [row.detail["count"] for row in await written(database, bank.id, "KEPT")] == [2]
    await nowhere.close()


async def test_sockets_are_noted_like_requests(bank: Bank) -> None:
    customer = await (await bank.api.customer()).open()
    headers = await bank.api.staff("agent")
    async with opened(customer, **headers) as socket:
        await socket.send('{"type": "typing"}')
    (event,) = await heard(bank, "access.granted", 1, actor_id=bank.user("agent"))
    assert (event["detail"]["method"], event["detail"]["status"]) == ("WEBSOCKET", 101)
    assert event["subject"]["id"] == customer.conversation
    customer.conversation = str(uuid4())
    async with opened(customer, **headers) as socket:
        await socket.wait_closed()
    (event,) = await heard(bank, "access.refused", 1, actor_id=bank.user("agent"))
    assert event["detail"] == {
        "method": "WEBSOCKET", "route": "/v1/conversations/{conversation_id}/ws", "status": 404, "count": 1,
    }  # fmt: skip
