"""A customer's access ends when it is ended: on every route, and on what is open."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Self
from uuid import UUID, uuid4

import asyncpg
import httpx
import jwt
import pytest

from api import authentication, messages, sse
from api.hub import Subscription
from helios import ended_tokens
from helios.crypto import token_hash
from helios.embedded.supervisor import Stack
from tests.api.beside import api_beside, served_beside
from tests.api.conftest import Things
from tests.api.problems import assert_problem
from tests.api.signing import bearer
from tests.api.test_websocket import closing, opened
from tests.caller import Api, Customer, parse_events


async def test_a_customer_who_signs_out_is_refused_and_the_next_token_is_good(api: Api) -> None:
    customer = await api.customer("signs-out")
    other_device, neighbour = await api.customer("signs-out"), await api.customer()
    assert (await api.http.post("/v1/auth/logout", headers=customer.headers)).status_code == 204
    for token in (customer, other_device):
        assert_problem(await api.http.post("/v1/conversations", json={}, headers=token.headers), code="unauthenticated")
        assert_problem(await api.http.post("/v1/auth/stream-tickets", headers=token.headers), code="unauthenticated")
    await (await api.customer("signs-out")).open()
    await neighbour.open()


async def test_signing_out_everywhere_is_the_same_for_a_customer(api: Api) -> None:
    customer = await api.customer()
    assert (await api.http.post("/v1/auth/logout-all", headers=customer.headers)).json() == {"ended": 1}
    assert_problem(await api.http.get("/v1/auth/me", headers=customer.headers), code="unauthenticated")


async def test_a_key_that_is_revoked_takes_its_tokens_along(bank: Api) -> None:
    admin = await bank.staff("admin")
    body = {"name": "app", "scopes": ["customer_tokens"]}
    made = (await bank.http.post("/v1/api-keys", json=body, headers=admin)).json()
    asked = await bank.http.post("/v1/customer-tokens", json={"external_id": "c-1"}, headers={"X-API-Key": made["key"]})
    token = bearer(asked.json()["access_token"])
    by_another_key = await bank.customer("c-1")
    assert (await bank.http.get("/v1/auth/me", headers=token)).status_code == 200
    await bank.http.delete(f"/v1/api-keys/{made['id']}", headers=admin)
    assert_problem(await bank.http.get("/v1/auth/me", headers=token), code="unauthenticated")
    assert (await bank.http.get("/v1/auth/me", headers=by_another_key.headers)).status_code == 200


@pytest.mark.parametrize("by", ["admin", "backend"])
async def test_a_tenant_ends_one_customers_access_and_no_others(bank: Api, by: str) -> None:
    ender = await bank.staff("admin") if by == "admin" else {"X-API-Key": str(bank.demo["api_key"])}
    customer, other = await bank.customer("c-1"), await bank.customer("c-2")
    for _ in range(2):
        assert (await bank.http.delete(f"/v1/customer-tokens/{customer.id}", headers=ender)).status_code == 204
        assert_problem(await bank.http.get("/v1/auth/me", headers=customer.headers), code="unauthenticated")
    assert (await bank.http.get("/v1/auth/me", headers=other.headers)).status_code == 200
    await (await bank.customer("c-1")).open()
    auditing = {"action": "customer.tokens_ended", "subject_id": customer.id}
    seen = await bank.http.get("/v1/audit/events", params=auditing, headers=await bank.staff("admin"))
    told = {(each["actor"]["type"], each["detail"]["reason"]) for each in seen.json()["items"]}
    assert told == {("user" if by == "admin" else "api_key", "ended_by_tenant")}


async def test_nobody_ends_the_access_of_another_tenants_customer(
    bank: Api, next_door: Api, admin: asyncpg.Connection
) -> None:
    """Also where a key of the one stands beside a token of the other: the key is who asks."""
    theirs = await next_door.customer()
    erased = await bank.customer("erased")
    await admin.execute("UPDATE customers SET erased_at = now() WHERE id = $1", UUID(erased.id))
    key, staff = {"X-API-Key": str(bank.demo["api_key"])}, await bank.staff("admin")
    for headers in (key, staff, {**key, **await next_door.staff("admin")}):
        for unknown in (theirs.id, str(uuid4()), erased.id):
            answer = await bank.http.delete(f"/v1/customer-tokens/{unknown}", headers=headers)
            assert_problem(answer, code="not_found")
    assert (await bank.http.get("/v1/auth/me", headers=theirs.headers)).status_code == 200


async def test_only_admins_and_keys_in_force_end_access(bank: Api, admin: asyncpg.Connection) -> None:
    customer = await bank.customer()
    path, key = f"/v1/customer-tokens/{customer.id}", {"X-API-Key": str(bank.demo["api_key"])}
    for headers in (customer.headers, await bank.staff("agent")):
        assert_problem(await bank.http.delete(path, headers=headers), code="forbidden")
    assert_problem(await bank.http.delete(path), code="unauthenticated")
    beside = {"X-API-Key": "hk_live_none", **await bank.staff("admin")}
    assert_problem(await bank.http.delete(path, headers=beside), code="invalid_api_key")
    await admin.execute("UPDATE api_keys SET scopes = '{webhooks}' WHERE key_hash = $1", token_hash(key["X-API-Key"]))
    assert_problem(await bank.http.delete(path, headers=key), code="invalid_api_key")
    assert (await bank.http.get("/v1/auth/me", headers=customer.headers)).status_code == 200


@pytest.mark.parametrize(("left_s", "lasts_s"), [(90, 90), (7200, 3600)])
async def test_no_token_outlives_its_key(bank: Api, left_s: int, lasts_s: int) -> None:
    ends = datetime.now(UTC) + timedelta(seconds=left_s)
    body = {"name": "app", "scopes": ["customer_tokens"], "expires_at": ends.isoformat()}
    made = (await bank.http.post("/v1/api-keys", json=body, headers=await bank.staff("admin"))).json()
    key = {"X-API-Key": made["key"]}
    given = (await bank.http.post("/v1/customer-tokens", json={"external_id": "c-1"}, headers=key)).json()
    claims = jwt.decode(given["access_token"], options={"verify_signature": False})
    assert claims["exp"] <= ends.timestamp()
    assert lasts_s - 30 < given["expires_in"] <= lasts_s
    assert abs(claims["exp"] - claims["iat"] - given["expires_in"]) <= 1


def test_what_is_open_ends_within_five_seconds() -> None:
    assert sse.LOOK_EVERY_S + ended_tokens.FRESH_S <= 5


async def test_another_process_hears_of_it(stack: Stack, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ended_tokens, "FRESH_S", 0.1)
    customer = await api.customer()
    async with api_beside(stack) as client:
        assert (await client.get("/v1/auth/me", headers=customer.headers)).status_code == 200
        await api.http.post("/v1/auth/logout", headers=customer.headers)
        async with asyncio.timeout(10):
            while (answer := await client.get("/v1/auth/me", headers=customer.headers)).status_code == 200:
                await asyncio.sleep(0.05)
        assert_problem(answer, code="unauthenticated")


class InTwoHours(datetime):
    """A clock that is past the end of every token there is."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + timedelta(hours=2)


@pytest.mark.parametrize("by", ["token", "ticket"])
async def test_what_is_open_ends_with_its_token_and_says_why(
    stack: Stack, mine: Things, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    monkeypatch.setattr(sse, "LOOK_EVERY_S", 0.1)
    customer = mine.customer
    async with served_beside(stack) as (at, _), httpx.AsyncClient(base_url=at, timeout=30) as client:
        query, headers = await _opening(client, customer, by)
        another_query, _ = await _opening(client, customer, by)
        async with (
            client.stream("GET", f"{customer.path}/events{query}", headers=headers) as answer,
            opened(customer, another_query, at, **headers) as socket,
        ):
            assert answer.status_code == 200
            assert json.loads(await socket.recv())["type"] != "error"
            monkeypatch.setattr(authentication, "datetime", InTwoHours)
            assert await _errors(answer) == ["unauthenticated"]
            told, code = await closing(socket)
    assert [each["data"]["code"] for each in told if each["type"] == "error"] == ["unauthenticated"]
    assert code == 4401


@pytest.mark.parametrize("how", ["signs_out", "is_ended"])
async def test_a_stream_and_a_socket_end_with_the_customers_access(
    stack: Stack, api: Api, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """It is ended in another process."""
    monkeypatch.setattr(sse, "LOOK_EVERY_S", 0.1)
    monkeypatch.setattr(ended_tokens, "FRESH_S", 0.1)
    customer = await (await api.customer()).open()
    async with (
        served_beside(stack) as (at, _),
        httpx.AsyncClient(base_url=at, timeout=30) as client,
        client.stream("GET", f"{customer.path}/events", headers=customer.headers) as answer,
        opened(customer, "", at, **customer.headers) as socket,
    ):
        assert answer.status_code == 200
        assert json.loads(await socket.recv())["type"] != "error"
        if how == "signs_out":
            await api.http.post("/v1/auth/logout", headers=customer.headers)
        else:
            key = {"X-API-Key": str(api.demo["api_key"])}
            await api.http.delete(f"/v1/customer-tokens/{customer.id}", headers=key)
        assert await _errors(answer) == ["unauthenticated"]
        assert (await closing(socket))[1] == 4401


async def test_a_customer_whose_access_ends_while_waiting_gets_no_answer(
    stack: Stack, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ended_tokens, "FRESH_S", 0.0)
    customer, go_on = await (await api.customer()).open(), messages._something_happened

    async def sign_out_first(subscription: Subscription, deadline: float) -> bool:
        await api.http.post("/v1/auth/logout", headers=customer.headers)
        return await go_on(subscription, deadline)

    monkeypatch.setattr(messages, "_something_happened", sign_out_first)
    async with api_beside(stack) as client:
        body, waiting = {"content": "What are the fees?"}, {"wait": 50}
        answer = await client.post(f"{customer.path}/messages", params=waiting, json=body, headers=customer.headers)
    assert_problem(answer, code="unauthenticated")


async def _opening(client: httpx.AsyncClient, customer: Customer, by: str) -> tuple[str, dict[str, str]]:
    """The query and the headers of a stream."""
    if by == "token":
        return "", customer.headers
    ticket = (await client.post("/v1/auth/stream-tickets", headers=customer.headers)).json()["ticket"]
    return f"?ticket={ticket}", {}


async def _errors(answer: httpx.Response) -> list[str]:
    """What a stream says was wrong, until it ends."""
    async with asyncio.timeout(30):
        return [event.data["code"] async for event in parse_events(answer) if event.type == "error"]
