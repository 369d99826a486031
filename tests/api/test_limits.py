"""Limits: who is counted, what is told, and what happens without Valkey."""

from __future__ import annotations

import asyncio
import re
import secrets
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from sqlalchemy import text
from structlog.testing import capture_logs

from api.limits import LIMITS, MEANS, class_of, quotas
from helios import frames
from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.keyring import Keyring
from tests.api.beside import api_beside
from tests.api.conftest import Things
from tests.api.operations import Operation, operations
from tests.api.problems import assert_problem
from tests.api.test_away import Wire
from tests.api.test_websocket import heard, opened
from tests.caller import Api
from tests.neighbour import Neighbour, make_neighbour

POLICY = re.compile(r'"(\w+)";q=(\d+);w=\d+\b')
STATE = re.compile(r'"(\w+)";r=(\d+);t=(\d+)')


def somewhere() -> str:
    """An address that no other test has used."""
    return f"2001:db8:{secrets.randbelow(65_536):x}:{secrets.randbelow(65_536):x}::1"


async def send(client: httpx.AsyncClient, times: int, method: str, path: str, **more: object) -> list[httpx.Response]:
    return [await client.request(method, path, **more) for _ in range(times)]  # type: ignore[arg-type]


def factor_for(kind: str, scope: str, wanted: int) -> float:
    """With this HELIOS_RATE_LIMITS the scope may send so many of the class."""
    return wanted / LIMITS[kind][scope]  # type: ignore[index]


@pytest.mark.parametrize("operation", operations(), ids=str)
def test_every_operation_is_counted_or_a_probe(operation: Operation) -> None:
    kind = class_of(operation.method, operation.path.replace("{", "").replace("}", ""))
    if operation.path in ("/healthz", "/readyz", "/metrics"):
        assert kind is None
    else:
        assert kind in LIMITS
        assert kind in MEANS
        assert "address" in LIMITS[kind]


@pytest.mark.parametrize("path", ["login", "register", "password/change", "password/reset", "mfa/totp", "sso/new"])
def test_whatever_is_posted_to_prove_who_one_is_counts_as_signing_in(path: str) -> None:
    assert class_of("POST", f"/v1/auth/{path}") == "sign_in"


def test_a_tenant_can_lower_a_limit_and_not_raise_it() -> None:
    assert quotas("read", {"customer": 5}, 1.0)["customer"].amount == 5
    most = LIMITS["read"]["customer"]
    for own in (most + 1, 0, -1, True, "5", None):
        assert quotas("read", {"customer": own}, 1.0)["customer"].amount == most


@pytest.mark.parametrize(("per_minute", "at_once", "window_s"), [(6_000, 200, 2), (120, 4, 2), (40, 4, 6), (1, 1, 60)])
def test_a_tenants_are_counted_over_a_short_time(per_minute: int, at_once: int, window_s: int) -> None:
    quota = quotas("read", {"tenant": per_minute}, 1.0)["tenant"]
    assert (quota.amount, quota.get_expiry()) == (at_once, window_s)


async def test_a_customer_over_the_limit_is_told_when_to_come_back_and_others_go_on(stack: Stack, api: Api) -> None:
    one, other = await api.customer(), await api.customer()
    async with api_beside(stack, address=somewhere(), rate_limits=factor_for("read", "customer", 3)) as client:
        allowed = await send(client, 3, "GET", "/v1/auth/me", headers=one.headers)
        assert [each.status_code for each in allowed] == [200, 200, 200]
        refused = await client.get("/v1/auth/me", headers=one.headers)
        assert_problem(refused, 429, code="rate_limited")
        assert 1 <= int(refused.headers["retry-after"]) <= 120
        assert (await client.get("/v1/auth/me", headers=other.headers)).status_code == 200


async def test_each_answer_says_how_each_limit_stands(stack: Stack, api: Api) -> None:
    customer = await api.customer()
    async with api_beside(stack, address=somewhere(), rate_limits=factor_for("read", "customer", 5)) as client:
        left = []
        for _ in range(6):
            answer = await client.get("/v1/auth/me", headers=customer.headers)
            policy = {scope: int(most) for scope, most in POLICY.findall(answer.headers["ratelimit-policy"])}
            state = {scope: (int(r), int(t)) for scope, r, t in STATE.findall(answer.headers["ratelimit"])}
            assert policy.keys() == state.keys() == {"address", "tenant", "customer"}
            assert policy["customer"] == 5
            assert 1 <= state["customer"][1] <= 120
            left.append(state["customer"][0])
    assert left == [4, 3, 2, 1, 0, 0]


async def test_an_address_is_counted_whoever_it_says_it_is(stack: Stack) -> None:
    address = somewhere()
    factor = factor_for("sign_in", "address", 4)
    async with api_beside(stack, address=address, rate_limits=factor) as client:
        for n in range(4):
            body = {"tenant": "nobody", "email": f"{uuid4()}@example.com", "password": "x" * 15}
            headers = {"Authorization": f"Bearer {n}", "X-Forwarded-For": f"192.0.2.{n}", "X-API-Key": f"key-{n}"}
            assert (await client.post("/v1/auth/login", json=body, headers=headers)).status_code == 401
        assert_problem(await client.post("/v1/auth/login", json=body), 429, code="rate_limited")
    # A subscriber has the whole network, and each address of it is the same caller.
    async with api_beside(stack, address=f"{address[:-3]}::ffff:2", rate_limits=factor) as client:
        assert_problem(await client.post("/v1/auth/login", json=body), 429)
    async with api_beside(stack, address=somewhere(), rate_limits=factor) as client:
        assert (await client.post("/v1/auth/login", json=body)).status_code == 401


async def test_a_key_and_its_tenant_are_counted(stack: Stack, next_door: Api, neighbour: Neighbour) -> None:
    headers = {"X-API-Key": str(next_door.demo["api_key"])}
    async with api_beside(stack, address=somewhere(), rate_limits=factor_for("token", "api_key", 100_000)) as client:
        answer = await client.post("/v1/customer-tokens", json={"external_id": "limits"}, headers=headers)
        assert {scope for scope, _ in POLICY.findall(answer.headers["ratelimit-policy"])} == {
            *("address", "api_key", "tenant")
        }
        # Credentials that the route does not take hide nobody.
        for beside in ("Bearer x", (await next_door.staff("admin"))["Authorization"]):
            mixed = {**headers, "Authorization": beside}
            answer = await client.post("/v1/customer-tokens", json={"external_id": "limits"}, headers=mixed)
            assert {scope for scope, _ in POLICY.findall(answer.headers["ratelimit-policy"])} == {
                *("address", "api_key", "tenant")
            }
        foreign = await client.post("/v1/customer-tokens", json={"external_id": "x"}, headers={"X-API-Key": "hk_x"})
        assert {scope for scope, _ in POLICY.findall(foreign.headers["ratelimit-policy"])} == {"address"}


async def test_a_tenants_own_limit_holds_for_all_its_people_and_for_nobody_else(
    stack: Stack, api: Api, next_door: Api, neighbour: Neighbour, database: Database
) -> None:
    set_limits = text("UPDATE tenants SET settings = settings || CAST(:own AS jsonb) WHERE id = :id")
    staff, customer = await next_door.staff("admin"), await next_door.customer()
    async with database.tenant(neighbour.tenant_id) as connection:
        await connection.execute(set_limits, {"own": '{"limits": {"tenant": 4}}', "id": neighbour.tenant_id})
    try:
        async with api_beside(stack, address=somewhere(), rate_limits=1.0) as client:
            for _ in range(2):
                await client.get("/v1/auth/me", headers=staff)
                await client.get("/v1/auth/me", headers=customer.headers)
            assert_problem(await client.get("/v1/auth/me", headers=staff), 429)
            assert_problem(await client.get("/v1/auth/me", headers=customer.headers), 429)
            assert (await client.get("/v1/auth/me", headers=(await api.customer()).headers)).status_code == 200
    finally:
        async with database.tenant(neighbour.tenant_id) as connection:
            await connection.execute(
                text("UPDATE tenants SET settings = settings - 'limits' WHERE id = :id"), {"id": neighbour.tenant_id}
            )


async def test_a_message_on_a_websocket_counts_as_one(stack: Stack, api: Api, valkey: Redis) -> None:
    customer = await (await api.customer()).open()
    async with opened(customer, Authorization=customer.headers["Authorization"]) as socket:
        await socket.send('{"type": "message", "content": "Hello"}')
        await heard(socket, "turn.completed")
    # The running stack's limits are out of reach: what was counted is looked up.
    assert [each async for each in valkey.scan_iter(f"*message.customer.{customer.id}*")]


@pytest.fixture
async def valkey(stack: Stack) -> object:
    client = frames.connect(stack.servers.redis_url)
    yield client
    await client.aclose()


async def test_probes_are_never_refused(stack: Stack) -> None:
    async with api_beside(stack, address=somewhere(), rate_limits=0.000_001) as client:
        answers = await send(client, 4, "GET", "/healthz")
        assert {each.status_code for each in answers} == {200}
        assert "ratelimit" not in answers[0].headers


@pytest.mark.parametrize("how", ["held", "gone"])
async def test_without_valkey_nobody_signs_in_and_everything_else_goes_on(stack: Stack, mine: Things, how: str) -> None:
    address = urlsplit(stack.servers.redis_url)
    async with Wire(address.hostname or "", address.port or 0) as wire:
        url = urlunsplit(address._replace(netloc=address.netloc.rsplit(":", 1)[0] + f":{wire.port}"))
        async with api_beside(stack, address=somewhere(), redis_url=SecretStr(url)) as client:
            assert (await client.get("/v1/auth/me", headers=mine.customer.headers)).headers["ratelimit"]
            wire.hold()
            if how == "gone":
                wire.cut()
            with capture_logs() as logs:
                looks = await asyncio.gather(
                    *(client.get("/v1/auth/me", headers=mine.customer.headers) for _ in range(20))
                )
                body = {"tenant": "meridian", "email": "a@b.example", "password": "x" * 15}
                sign_ins = [await client.post("/v1/auth/login", json=body) for _ in range(3)]
            assert {each.status_code for each in looks} == {200}
            assert "ratelimit" not in looks[-1].headers
            for each in sign_ins:
                assert each.status_code == 503
                assert each.json()["code"] == "dependency_unavailable"
                assert int(each.headers["retry-after"]) >= 1
            assert [each["event"] for each in logs].count("limits are not counted") == 1
            wire.let_go()
            async with asyncio.timeout(10):
                while (await client.post("/v1/auth/login", json=body)).status_code != 401:
                    await asyncio.sleep(0.1)


async def test_a_flood_does_not_reach_valkey(
    stack: Stack, next_door: Api, database: Database, keyring: Keyring
) -> None:
    # Of a tenant of its own: what a test just before has used up of a tenant's share is not at issue.
    bank = await make_neighbour(database, keyring.root, ())
    address = urlsplit(stack.servers.redis_url)
    async with (
        bank.api(stack.servers.api_url) as api,
        Wire(address.hostname or "", address.port or 0) as wire,
    ):
        one, other = await api.customer(), await next_door.customer()
        url = SecretStr(urlunsplit(address._replace(netloc=address.netloc.rsplit(":", 1)[0] + f":{wire.port}")))
        factor = factor_for("read", "customer", 3)
        async with api_beside(stack, address=somewhere(), redis_url=url, rate_limits=factor) as client:
            statuses = [each.status_code for each in await send(client, 4, "GET", "/v1/auth/me", headers=one.headers)]
            assert statuses == [200, 200, 200, 429]
            wire.hold()
            refused = await client.get("/v1/auth/me", headers=one.headers)
            assert_problem(refused, 429, code="rate_limited")
            assert 1 <= int(refused.headers["retry-after"]) <= 60
            assert {scope for scope, _ in POLICY.findall(refused.headers["ratelimit-policy"])} >= {"customer"}
            assert (await client.get("/v1/auth/me", headers=other.headers)).status_code == 200
            wire.let_go()


async def test_counting_survives_a_valkey_that_has_forgotten_its_scripts(stack: Stack, api: Api, valkey: Redis) -> None:
    customer = await api.customer()
    async with api_beside(stack, address=somewhere()) as client:
        await client.get("/v1/auth/me", headers=customer.headers)
        await valkey.script_flush()
        assert (await client.get("/v1/auth/me", headers=customer.headers)).headers["ratelimit"]
