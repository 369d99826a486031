"""Two tenants over every operation of the API's document: what belongs to one does not exist for the other.

A new operation is attacked without anybody thinking of it: with the other tenant's ids in its path, its query and its
body, with the other's cursors, idempotency keys and stream tickets. One that names a thing which `make_things` does not
make fails here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from fastapi.routing import APIWebSocketRoute, iter_route_contexts
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from api.app import create_app
from helios.embedded.supervisor import Stack
from helios.settings import Settings
from tests.api.conftest import Things
from tests.api.operations import OF_EVERYBODY, Operation, example, kinds, operations, share
from tests.api.problems import digests
from tests.api.test_websocket import closing
from tests.caller import Api, Customer
from tests.neighbour import Neighbour

STREAMS = frozenset({"GET /v1/conversations/{conversation_id}/events"})
"""Their own answer has no end, so only what is refused is read here."""
ENDS_THE_CALLER = ("/v1/auth/",)
"""What these do to the caller's own account is tested where they are; of others they are given ids only."""
BODIES = {"POST /v1/escalations/{escalation_id}/decision": {"action": "resolve"}}
"""Where fields depend on each other."""
ROLES = ("admin", "supervisor", "agent", "auditor", "compliance_officer", "knowledge_editor",
         "knowledge_approver", "analyst")  # fmt: skip


RUNNING = "SELECT EXISTS (SELECT FROM threads WHERE tenant_id = $1 AND open_turn > completed_turn)"


@dataclass(frozen=True, slots=True)
class Victim:
    things: Things
    canaries: frozenset[str]
    """What nobody of the other tenant may ever read."""
    cursor: str
    idempotency_key: str


@pytest.fixture(scope="module")
async def victim(next_door: Api, neighbour: Neighbour, theirs: Things) -> Victim:
    """The other tenant, with words that exist nowhere else."""
    word, http, admin = f"kanarienvogel{uuid4().hex}", next_door.http, theirs.admin
    key = str(uuid4())
    headers = {**theirs.customer.headers, "Idempotency-Key": key}
    made = await http.post("/v1/conversations", json={}, headers=headers)
    said = await http.post(f"{theirs.customer.path}/messages", json={"content": word}, headers=theirs.customer.headers)
    assert (made.status_code, said.status_code) == (201, 202)
    for path, body in (
        ("/v1/users", {"email": f"{word}@x.example", "roles": ["agent"]}),
        ("/v1/api-keys", {"name": word[:64], "scopes": ["customer_tokens"]}),
    ):
        assert (await http.post(path, json=body, headers=admin)).status_code == 201
    domain = {"link_domains": [f"{word}.example"]}
    settings = f"/v1/tenants/{neighbour.tenant_id}/settings"
    current = (await http.get(settings, headers=admin)).headers["etag"]
    assert (await http.patch(settings, json=domain, headers={**admin, "If-Match": current})).status_code == 200
    page = await http.get("/v1/conversations", params={"limit": 1}, headers=admin)
    cursor = str(page.json()["next_cursor"])
    words = {word, neighbour.slug, neighbour.name, made.json()["id"], theirs.customer.id}
    ids = {each for name, each in theirs.ids.items() if name not in OF_EVERYBODY and not each.isdigit()}
    canaries = frozenset(words | ids | {str(next_door.demo["api_key"])})
    return Victim(theirs, canaries, cursor, key)


@pytest.fixture(scope="module")
async def everybody(api: Api, mine: Things, stranger: Customer) -> list[dict[str, str]]:
    """Of the one tenant."""
    return [mine.customer.headers, stranger.headers, *[await api.staff(role) for role in ROLES]]


@pytest.fixture
def attackers(everybody: list[dict[str, str]], operation: Operation) -> list[dict[str, str]]:
    """Who attacks an operation: a customer, an admin, and by turns a third of the others."""
    customer, stranger, admin, *others = everybody
    return [customer, admin, *share([stranger, *others], operation, operations(), 3)]


@pytest.fixture(scope="module", autouse=True)
async def untouched(stack: Stack, victim: Victim, neighbour: Neighbour) -> AsyncIterator[None]:
    """Every row of the victim is the same after all attacks as it was before them."""
    owner = await asyncpg.connect(stack.servers.admin_dsn)
    try:
        await _until_at_rest(owner, neighbour)
        before = await digests(owner, neighbour.tenant_id)
        yield
        after = await digests(owner, neighbour.tenant_id)
        assert {table for table in before if before[table] != after[table]} == set()
    finally:
        await owner.close()


async def _until_at_rest(owner: asyncpg.Connection, neighbour: Neighbour) -> None:
    """The victim's own turns of before end by themselves, and are no attacker's work."""
    async with asyncio.timeout(60):
        while await owner.fetchval(RUNNING, neighbour.tenant_id):
            await asyncio.sleep(0.1)


def silent(answer: httpx.Response, victim: Victim, sent: object = "") -> None:
    """No byte of the victim's, and no breakdown. What the attacker sent himself may come back to him."""
    assert answer.status_code < 500, answer.text[:300]
    whole = f"{answer.headers}{answer.text}"
    leaked = [canary for canary in victim.canaries if canary in whole and canary not in str(sent)]
    assert not leaked, (answer.request.method, answer.request.url.path, leaked)


def body_of(operation: Operation) -> dict[str, Any] | None:
    return None if operation.body is None else BODIES.get(str(operation), example(operation.body))


@pytest.mark.parametrize("operation", [each for each in operations() if each.names_a_thing], ids=str)
async def test_the_others_ids_in_the_path(
    api: Api, mine: Things, victim: Victim, attackers: list[dict[str, str]], operation: Operation
) -> None:
    """All of them, and each one among one's own."""
    theirs = victim.things.ids
    paths = {operation.fill(theirs), *(operation.fill({**mine.ids, name: theirs[name]})
             for name in operation.path_parameters if theirs[name] != mine.ids[name])}  # fmt: skip
    for headers in attackers:
        for path in paths:
            answer = await api.http.request(
                operation.method, path, headers={**headers, "If-Match": '"1"'}, json=body_of(operation)
            )
            assert answer.status_code in (403, 404), (operation, answer.status_code, answer.text[:200])
            silent(answer, victim)


@pytest.mark.parametrize(
    "operation", [each for each in operations() if each.query and str(each) not in STREAMS], ids=str
)
async def test_the_others_ids_and_cursors_in_the_query(
    api: Api, mine: Things, victim: Victim, attackers: list[dict[str, str]], operation: Operation
) -> None:
    """In each field that takes any words. Who may not ask at all is not asked again: no query opens that door."""
    tries = [(name, value) for name, about in operation.query.items() for value in _words(about, operation, victim)]
    for headers in attackers:
        for name, value in tries:
            answer = await api.http.request(
                operation.method, operation.fill(mine.ids), params={name: value}, headers=headers,
                json=body_of(operation),
            )  # fmt: skip
            silent(answer, victim, value)
            if answer.status_code == 403:
                break


def _words(about: dict[str, Any], operation: Operation, victim: Victim) -> list[str]:
    """What of the victim's this parameter could take."""
    text, ids = kinds(about).get("string", {}), list(victim.things.ids.values())
    if not text or "enum" in text or text.get("format") in ("date", "date-time"):
        return []
    return ids if text.get("format") == "uuid" and operation.method == "GET" else [victim.cursor, ids[0]]


def with_their_id(schema: dict[str, Any], value: str) -> Iterator[dict[str, Any]]:
    """Parts of a body that name a thing: fields that are or end in an id, and lists of ids one level down."""
    for name, about in schema["properties"].items():
        known = kinds(about)
        if "string" in known and (known["string"].get("format") == "uuid" or name.endswith("_id")):
            yield {name: value}
        for field in known.get("object", {}).get("properties", {}):
            if field.endswith("_ids"):
                yield {name: {field: [value]}}


NAMING = [each for each in operations() if each.body is not None and any(with_their_id(each.body, ""))]


@pytest.mark.parametrize("operation", NAMING, ids=str)
async def test_the_others_ids_in_the_body(
    api: Api, mine: Things, victim: Victim, attackers: list[dict[str, str]], operation: Operation
) -> None:
    assert operation.body is not None
    tries = [(value, part) for value in victim.things.ids.values() for part in with_their_id(operation.body, value)]
    for headers in attackers:
        for value, part in tries:
            body = {**(body_of(operation) or {}), **part}
            answer = await api.http.request(operation.method, operation.fill(mine.ids), headers=headers, json=body)
            silent(answer, victim, value)
            about = kinds(operation.body["properties"][next(iter(part))])
            if about.get("string", {}).get("format") == "uuid":
                assert answer.status_code >= 400, (operation, part)
            if answer.status_code == 403:
                break


@pytest.mark.parametrize(
    "operation",
    [each for each in operations() if str(each) not in STREAMS and not each.path.startswith(ENDS_THE_CALLER)
     and each.method == "GET"],
    ids=str,
)  # fmt: skip
async def test_plain_looks_show_nothing_of_the_other(
    api: Api, mine: Things, victim: Victim, attackers: list[dict[str, str]], operation: Operation
) -> None:
    for headers in attackers:
        limit = {"limit": 200} if "limit" in operation.query else {}
        silent(await api.http.get(operation.fill(mine.ids), params=limit, headers=headers), victim)


@pytest.mark.parametrize(
    "operation",
    [each for each in operations() if each.method == "POST" and not each.path.startswith(ENDS_THE_CALLER)],
    ids=str,
)
async def test_the_others_idempotency_key_brings_back_nothing_of_theirs(
    api: Api, mine: Things, victim: Victim, operation: Operation
) -> None:
    """A customer sends it everywhere; an admin only where nothing of one's own would be changed."""
    for bearer in (mine.customer.headers, mine.admin) if not operation.path_parameters else (mine.customer.headers,):
        headers = {**bearer, "Idempotency-Key": victim.idempotency_key}
        answer = await api.http.post(operation.fill(mine.ids), json=body_of(operation), headers=headers)
        assert "idempotency-replayed" not in answer.headers
        silent(answer, victim)


async def test_an_api_key_signs_in_customers_of_its_own_tenant_only(api: Api, victim: Victim, mine: Things) -> None:
    key = {"X-API-Key": str(api.demo["api_key"])}
    for value in (victim.things.customer.id, *victim.things.ids.values()):
        answer = await api.http.post("/v1/customer-tokens", json={"external_id": value}, headers=key)
        silent(answer, victim, value)
        made = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        me = await api.http.get("/v1/auth/me", headers=made)
        assert me.json()["tenant_id"] == mine.ids["tenant_id"]
        silent(await api.http.get("/v1/conversations", headers=made), victim)


async def test_a_stream_ticket_opens_no_stream_of_the_other(api: Api, mine: Things, victim: Victim) -> None:
    for operation in operations():
        if str(operation) in STREAMS:
            for whose, ids in ((mine, victim.things.ids), (victim.things, mine.ids)):
                issued = await api.http.post("/v1/auth/stream-tickets", headers=whose.customer.headers)
                answer = await api.http.get(operation.fill(ids), params={"ticket": issued.json()["ticket"]})
                assert answer.status_code == 404, answer.text[:200]
                silent(answer, victim)


def sockets() -> list[str]:
    """The path of every WebSocket: they are in no OpenAPI document."""
    routes = iter_route_contexts(create_app(Settings()).routes)
    return [str(each.path) for each in routes if isinstance(each.route, APIWebSocketRoute)]


@pytest.mark.parametrize("path", sockets())
async def test_the_others_socket_opens_for_nobody(
    api: Api, mine: Things, victim: Victim, everybody: list[dict[str, str]], path: str
) -> None:
    """Neither with a token nor with a ticket, and what is said into it at once is heard by nobody."""
    url = api.url.replace("http://", "ws://") + path.format(**victim.things.ids)
    issued = await api.http.post("/v1/auth/stream-tickets", headers=mine.customer.headers)
    by_ticket = f"{url}?ticket={issued.json()['ticket']}"
    for address, headers in [(by_ticket, {}), *((url, each) for each in everybody)]:
        async with connect(address, additional_headers=headers) as socket:
            with suppress(ConnectionClosed):
                await socket.send('{"type": "message", "content": "Hello"}')
            told, code = await closing(socket)
        assert [each["data"]["code"] for each in told] in (["forbidden"], ["not_found"])
        assert code in (4403, 4404)
        assert not [canary for canary in victim.canaries if canary in str(told)]


def test_there_is_a_socket_to_attack() -> None:
    assert sockets()


def test_no_operation_is_left_out() -> None:
    """Each has ids in its path, a query, ids in its body, or is looked at plainly; or it makes something new."""
    own = [
        str(each)
        for each in operations()
        if not each.path_parameters and not each.query and each.method != "GET" and each not in NAMING
    ]
    assert set(own) <= {
        "POST /v1/conversations",
        "POST /v1/tenants",
        "POST /v1/users",
        "POST /v1/api-keys",
        "POST /v1/audit/exports",
        "POST /v1/evaluations/suites",
        "POST /v1/intents",
        "POST /v1/policies",
        "POST /v1/policies/replay",
        "PUT /v1/privacy/retention",
        "POST /v1/redaction-rules",
        "POST /v1/redaction-rules/try",
        "POST /v1/knowledge/sitemaps",
        "POST /v1/knowledge/embedder-changes",
        "POST /v1/analytics/knowledge-gaps/refresh",
        "POST /codec/session",
        *(each for each in own if each.split()[1].startswith(ENDS_THE_CALLER)),
    }
