"""The same request again: one thing, one answer."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from helios.embedded.supervisor import Stack
from tests.api.conftest import Things
from tests.api.problems import Rows, assert_problem
from tests.caller import Api, Customer


async def create(customer: Customer, key: str, body: Any = None) -> httpx.Response:
    headers = {**customer.headers, "Idempotency-Key": key}
    return await customer.api.http.post("/v1/conversations", json=body or {}, headers=headers)


async def kept_as(admin: asyncpg.Connection, customer: Customer) -> str:
    """The customer's newest key, as it is stored: nobody can tell it from what the client sent."""
    newest = "SELECT key FROM idempotency_keys WHERE actor_id = $1 ORDER BY created_at DESC LIMIT 1"
    return str(await admin.fetchval(newest, UUID(customer.id)))


async def test_the_same_key_and_body_give_the_first_answer(api: Api, rows: Rows) -> None:
    customer, key = await api.customer(), str(uuid4())
    first = await create(customer, key, {"channel": "web"})
    before = await rows.count()
    again = await create(customer, key, {"channel": "web"})
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers.get("location") == first.headers["location"]
    assert_problem(await create(customer, key, {"channel": "app"}), code="idempotency_conflict")
    assert await rows.count() == before


async def test_fifty_at_once_make_one_conversation(api: Api, rows: Rows) -> None:
    customer, key = await api.customer(), str(uuid4())
    before = await rows.count()
    answers = await asyncio.gather(*(create(customer, key) for _ in range(50)))
    made = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert len(made) == 1
    for answer in answers:
        if answer.status_code != 201:
            assert_problem(answer, code="idempotency_in_progress")
            assert int(answer.headers["retry-after"]) >= 1
    assert (await rows.count())["threads"] == before["threads"] + 1
    assert (await create(customer, key)).json()["id"] in made


async def test_a_key_is_the_customers_own(api: Api, next_door: Api) -> None:
    key = str(uuid4())
    customers = [await api.customer(), await api.customer(), await next_door.customer()]
    made = [(await create(customer, key)).json()["id"] for customer in customers]
    assert len(set(made)) == 3


@pytest.mark.usefixtures("nothing_stored")
async def test_a_bad_key_is_a_problem(mine: Things) -> None:
    for key in ("", "k" * 256, "k" * 9_000, "a\tb", "\x80", "é\xa0"):
        headers = [(name.encode(), value.encode()) for name, value in mine.customer.headers.items()]
        answer = await mine.customer.api.http.post(
            "/v1/conversations", json={}, headers=[*headers, (b"Idempotency-Key", key.encode("latin-1"))]
        )
        assert_problem(answer, code="invalid_request", why=repr(key))


@pytest.mark.usefixtures("nothing_stored")
async def test_a_refused_request_leaves_its_key_free(mine: Things) -> None:
    """Nothing was made, so the same key may come again, mended; and it need not wait for anything."""
    customer, key = mine.customer, str(uuid4())
    for _ in range(2):
        assert_problem(await create(customer, key, {"channel": "\x00"}), code="invalid_request")
    http, headers = customer.api.http, {"Idempotency-Key": key}
    for _ in range(2):
        nobody = await http.post("/v1/conversations", json={}, headers=headers)
        assert_problem(nobody, code="unauthenticated")
        staff = await http.post("/v1/conversations", json={}, headers={**headers, **mine.supervisor})
        assert_problem(staff, code="forbidden")
        lost = await http.post(
            f"/v1/conversations/{uuid4()}/feedback", json={"rating": 1}, headers={**headers, **customer.headers}
        )
        assert_problem(lost, code="not_found")


async def test_a_key_is_free_after_a_mended_body(api: Api) -> None:
    customer, key = await api.customer(), str(uuid4())
    assert_problem(await create(customer, key, {"channel": 7}), code="invalid_request")
    assert (await create(customer, key, {"channel": "web"})).status_code == 201


@pytest.fixture
async def admin(stack: Stack) -> Any:
    connection = await asyncpg.connect(stack.servers.admin_dsn)
    yield connection
    await connection.close()


async def at_rest(customer: Customer, what: str) -> None:
    """Until the worker has done what the request asked for."""
    if what == "messages":
        await customer.hear(lambda heard: bool(heard.turns), within_s=30)
    async with asyncio.timeout(30):
        while what == "escalate" and (await customer.get()).json()["escalation_id"] is None:
            await asyncio.sleep(0.05)


POSTS = ("", "feedback", "escalate", "messages", "close", "stop")
BODIES: dict[str, dict[str, Any]] = {"feedback": {"rating": 5}, "messages": {"content": "Hello"}}


@pytest.mark.parametrize("what", POSTS)
async def test_after_a_crash_between_reservation_and_answer(
    api: Api, rows: Rows, admin: asyncpg.Connection, what: str
) -> None:
    """The process died after the change and before it kept its answer. The next try must find what was made."""
    customer, key = await (await api.customer()).open(), str(uuid4())
    path = f"{customer.path}/{what}" if what else "/v1/conversations"
    headers = {**customer.headers, "Idempotency-Key": key}

    async def send() -> httpx.Response:
        return await api.http.post(path, json=BODIES.get(what, {}), headers=headers)

    first = await send()
    assert first.is_success, first.text
    await at_rest(customer, what)
    crashed = "UPDATE idempotency_keys SET status = NULL, response_ct = NULL WHERE key = $1"
    kept = await kept_as(admin, customer)
    await admin.execute(crashed, kept)
    assert_problem(await send(), code="idempotency_in_progress")
    await admin.execute("UPDATE idempotency_keys SET created_at = now() - interval '31 s' WHERE key = $1", kept)
    before = await rows.count()
    again = await send()
    assert again.status_code == first.status_code, again.text
    if what in ("", "feedback", "messages"):
        assert {name: again.json()[name] for name in ("id", "message_id", "turn") if name in first.json()} == {
            name: first.json()[name] for name in ("id", "message_id", "turn") if name in first.json()
        }
    after = await rows.count()
    made = ("threads", "messages", "feedback", "escalations", "turns")
    assert {table: after[table] for table in made} == {table: before[table] for table in made}


async def test_a_key_is_forgotten_after_a_day(api: Api, admin: asyncpg.Connection) -> None:
    customer, key = await api.customer(), str(uuid4())
    first = await create(customer, key)
    kept = await kept_as(admin, customer)
    await admin.execute("UPDATE idempotency_keys SET created_at = now() - interval '25 h' WHERE key = $1", kept)
    second = await create(customer, key, {"channel": "web"})
    assert second.status_code == 201
    assert second.json()["id"] != first.json()["id"]


async def test_a_kept_answer_is_sealed(api: Api, admin: asyncpg.Connection) -> None:
    customer, key = await (await api.customer()).open(), str(uuid4())
    answer = await customer.post("feedback", {"rating": 3}, **{"Idempotency-Key": key})
    kept = await admin.fetchrow("SELECT * FROM idempotency_keys WHERE actor_id = $1", UUID(customer.id))
    assert key not in str(kept)
    assert answer.json()["id"].encode() not in kept["response_ct"]
    assert kept["resource_id"] == UUID(answer.json()["id"])


async def test_a_client_message_id_makes_one_turn(api: Api, rows: Rows) -> None:
    customer = await (await api.customer()).open()
    before = await rows.count()
    answers = await asyncio.gather(*(customer.say("Hello there", wait=0, client_message_id="mine") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({(answer.json()["message_id"], answer.json()["turn"]) for answer in answers}) == 1
    other_words = await customer.say("Something else", wait=60, client_message_id="mine")
    assert other_words.status_code == 200
    assert other_words.json()["message"]["content"] == "Hello there"
    after = await rows.count()
    assert after["turns"] == before["turns"] + 1
    assert [each["role"] for each in await customer.messages()].count("customer") == 1


async def test_a_late_message_is_a_problem_and_a_repeated_one_is_not(api: Api, rows: Rows) -> None:
    customer = await (await api.customer()).open()
    taken = await customer.say("Hello there", client_message_id="early")
    assert taken.status_code == 200
    assert (await customer.post("close")).status_code == 200
    before = await rows.count()
    assert_problem(await customer.say("Still there?"), code="conversation_closed")
    assert_problem(await customer.post("escalate"), code="conversation_closed")
    again = await customer.say("Hello there", client_message_id="early")
    assert again.json()["message"]["id"] == taken.json()["message"]["id"]
    assert (await customer.post("close")).json()["status"] == "closed"
    assert (await customer.post("stop")).status_code == 202
    assert await rows.count() == before
