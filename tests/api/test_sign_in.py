"""Signing in, staying in, being thrown out; keys and tokens that are none."""

from __future__ import annotations

import asyncio
import time

import asyncpg
import pytest

from helios.embedded.supervisor import Stack
from tests.api.conftest import Things
from tests.api.operations import Operation, example, operations
from tests.api.problems import assert_problem
from tests.api.signing import answer_of, login, signed_in
from tests.caller import Api

GUARDED = [each for each in operations() if each.takes_bearer]


async def test_unknown_tenant_user_and_password_are_answered_alike(bank: Api) -> None:
    wrong = await login(bank, password="not the password")
    no_user = await login(bank, email="nobody@example.com")
    no_tenant = await login(bank, tenant="no-such-bank")
    assert_problem(wrong, code="invalid_credentials")
    assert answer_of(wrong) == answer_of(no_user) == answer_of(no_tenant)


async def test_logging_out_closes_an_open_stream_within_five_seconds(bank: Api) -> None:
    customer = await (await bank.customer()).open()
    agent = await signed_in(bank)
    async with bank.http.stream("GET", f"{customer.path}/events", headers=agent) as stream:
        lines = stream.aiter_lines()
        assert await anext(lines) == ": stream"
        assert (await bank.http.post("/v1/auth/logout", headers=agent)).status_code == 204
        left = time.monotonic()
        async with asyncio.timeout(5):
            async for _ in lines:
                pass
    assert time.monotonic() - left < 5
    assert_problem(await bank.http.get(f"{customer.path}/events", headers=agent), code="unauthenticated")
    ended = [each for each in (await customer.messages()) if each["role"] == "system"]
    assert len(ended) == 1


async def test_a_ticket_is_good_once_and_for_its_own_tenant(bank: Api, mine: Things) -> None:
    agent = await signed_in(bank)
    customer = await (await bank.customer()).open()
    for headers in (agent, customer.headers):
        ticket = (await bank.http.post("/v1/auth/stream-tickets", headers=headers)).json()["ticket"]
        async with bank.http.stream("GET", f"{customer.path}/events", params={"ticket": ticket}) as stream:
            assert stream.status_code == 200
        again = await bank.http.get(f"{customer.path}/events", params={"ticket": ticket})
        assert_problem(again, code="unauthenticated")
        ticket = (await bank.http.post("/v1/auth/stream-tickets", headers=headers)).json()["ticket"]
        other = await bank.http.get(f"{mine.customer.path}/events", params={"ticket": ticket})
        assert_problem(other, code="not_found")
    for bad in ("", "x", "\x01", "*", "\u0661", "x" * 9_000, "helios:ticket:*"):
        assert_problem(await bank.http.get(f"{customer.path}/events", params={"ticket": bad}), code="unauthenticated")
    ticket = (await bank.http.post("/v1/auth/stream-tickets", headers=agent)).json()["ticket"]
    await bank.http.post("/v1/auth/logout", headers=agent)
    assert_problem(await bank.http.get(f"{customer.path}/events", params={"ticket": ticket}), code="unauthenticated")


async def test_a_ticket_opens_nothing_but_streams(mine: Things) -> None:
    http = mine.customer.api.http
    ticket = (await http.post("/v1/auth/stream-tickets", headers=mine.customer.headers)).json()["ticket"]
    # Nowhere else is there such a parameter.
    assert_problem(await http.get(mine.customer.path, params={"ticket": ticket}), code="invalid_request")


@pytest.mark.usefixtures("nothing_stored")
async def test_an_api_key_that_is_none(api: Api) -> None:
    for key in (
        None,
        "",
        "x",
        "hk_demo_",
        "k" * 256,
        "k" * 5_000,
        str(api.demo["api_key"])[:-1],
        f"{api.demo['api_key']}x",
    ):
        headers = {} if key is None else {"X-API-Key": key}
        answer = await api.http.post("/v1/customer-tokens", json={"external_id": "x"}, headers=headers)
        assert_problem(answer, 401, 422, why=key)


async def test_an_api_key_that_is_no_more(bank: Api, stack: Stack) -> None:
    connection = await asyncpg.connect(stack.servers.admin_dsn)
    try:
        for change in ("expires_at = now() - interval '1 s'", "expires_at = NULL, deleted_at = now()"):
            await connection.execute(
                f"UPDATE api_keys SET {change} WHERE tenant_id = (SELECT id FROM tenants WHERE slug = $1)",
                bank.demo["tenant"],
            )
            answer = await bank.http.post(
                "/v1/customer-tokens", json={"external_id": "x"}, headers={"X-API-Key": str(bank.demo["api_key"])}
            )
            assert_problem(answer, code="invalid_api_key")
    finally:
        await connection.close()


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize("operation", GUARDED, ids=str)
async def test_nobody_may_without_a_token(api: Api, mine: Things, operation: Operation) -> None:
    body = None if operation.body is None else example(operation.body)
    for authorization in (
        None,
        "",
        "Bearer",
        "Bearer x",
        "Basic YTpi",
        "Bearer a.b.c",
        "bearer " + "x" * 9_000,
        "Bearer null",
        "Token x",
        f"Bearer {mine.customer.token}x",
        f"{mine.customer.token}",
    ):
        headers = {} if authorization is None else {"Authorization": authorization}
        answer = await api.http.request(operation.method, operation.fill(mine.ids), headers=headers, json=body)
        assert_problem(answer, code="unauthenticated", why=(operation, authorization))


def test_every_operation_wants_a_token_but_those_that_give_one() -> None:
    free = {str(each) for each in operations() if not each.takes_bearer}
    open_to_all = {
        "POST /v1/auth/login",
        "POST /v1/auth/refresh",
        "POST /v1/auth/register",
        "POST /v1/auth/password/reset-request",
        "POST /v1/auth/password/reset",
        "GET /v1/auth/sso/{tenant}/start",
        "GET /v1/auth/sso/{tenant}/callback",
        "POST /v1/auth/sso/token",
        "POST /v1/customer-tokens",
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
        "GET /.well-known/jwks.json",
        "POST /codec/encode",  # gives back what it got
    }
    assert free <= open_to_all
