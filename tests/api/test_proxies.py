"""Where a request comes from: what the connection says, or a proxy that is trusted, and never what the client says."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from api.limits import LIMITS
from helios.embedded.supervisor import Stack
from helios.settings import Settings
from tests.api.beside import served_beside
from tests.api.problems import assert_problem
from tests.api.signing import bearer
from tests.caller import Api

PROXY = "127.0.0.1"
"""Where the connections of these tests come from."""
SPOOFED = ("X-Forwarded-For", "X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP", "X-Cluster-Client-IP",
           "X-Original-Forwarded-For", "Via")  # fmt: skip
Headers = list[tuple[str, str]]


def forged(n: int) -> Headers:
    """What a client may say of its own address, another one each time."""
    own = f"203.0.113.{n}"
    return [*((name, own) for name in SPOOFED), ("Forwarded", f"for={own};proto=https"), ("X-Forwarded-Proto", "https")]


def appended(n: int, real: str) -> Headers:
    """A proxy adds the address that it saw to what the client said."""
    return [(name, f"{value}, {real}" if name == "X-Forwarded-For" else value) for name, value in forged(n)]


def added(n: int, real: str) -> Headers:
    """In a line of its own."""
    return [*forged(n), ("X-Forwarded-For", real)]


def with_port(n: int, real: str) -> Headers:
    return appended(n, f"{real}:{40_000 + n}")


def through_two(n: int, real: str) -> Headers:
    return appended(n, f"{real}, {PROXY}")


def no_address(n: int, _: str) -> Headers:
    """Whatever a proxy lets through that is none: it does not make a new caller each time."""
    return appended(n, f"kanarienvogel{n}")


def somewhere() -> str:
    return f"198.51.{secrets.randbelow(256)}.{secrets.randbelow(254) + 1}"


async def counted_together(stack: Stack, most: int, sent: Callable[[int], Headers], **changed: Any) -> None:
    """`most` requests with these headers are let through, and no more."""
    factor = most / LIMITS["page"]["address"]
    async with served_beside(stack, rate_limits=factor, **changed) as (at, _), httpx.AsyncClient(base_url=at) as client:
        answers = [await client.get("/docs/errors", headers=sent(n)) for n in range(1, most + 2)]
        assert [each.status_code for each in answers[:most]] == [200] * most
        assert_problem(answers[most], 429, code="rate_limited")


@pytest.mark.parametrize(("trusted", "most"), [((), 3), (("192.0.2.7",), 4), (("10.0.0.0/8",), 5)])
async def test_without_a_trusted_proxy_nobody_says_where_he_comes_from(
    stack: Stack, trusted: tuple[str, ...], most: int
) -> None:
    await counted_together(stack, most, forged, trusted_proxies=trusted)


@pytest.mark.parametrize("how", [appended, added, with_port, through_two, no_address])
async def test_behind_a_trusted_proxy_the_address_that_it_saw_counts(
    stack: Stack, how: Callable[[int, str], Headers]
) -> None:
    real = somewhere()
    await counted_together(stack, 2, lambda n: how(n, real), trusted_proxies=(PROXY,))


async def test_callers_behind_a_trusted_proxy_do_not_share_a_limit(stack: Stack) -> None:
    factor, trusted = 1 / LIMITS["page"]["address"], (PROXY,)
    async with (
        served_beside(stack, rate_limits=factor, trusted_proxies=trusted) as (at, _),
        httpx.AsyncClient(base_url=at) as client,
    ):
        for _ in range(4):
            sent = appended(1, somewhere())
            assert (await client.get("/docs/errors", headers=sent)).status_code == 200
            assert_problem(await client.get("/docs/errors", headers=sent), 429, code="rate_limited")


@pytest.mark.parametrize("trusted", [(), (PROXY,)])
async def test_a_session_names_the_real_address(stack: Stack, bank: Api, trusted: tuple[str, ...]) -> None:
    real = somewhere()
    async with served_beside(stack, trusted_proxies=trusted) as (at, _), httpx.AsyncClient(base_url=at) as client:
        body = {"tenant": bank.demo["tenant"], **bank.demo["users"]["agent"]}
        signed = await client.post("/v1/auth/login", json=body, headers=appended(1, real))
        me = bearer(signed.json()["access_token"])
        (session,) = [each for each in (await client.get("/v1/auth/sessions", headers=me)).json()["items"]
                      if each["current"]]  # fmt: skip
    assert session["address"] == (real if trusted else PROXY)
    assert ("strict-transport-security" in signed.headers) == bool(trusted)


@pytest.mark.parametrize("everybody", ["*", "0.0.0.0/0", "::/0", "10.0.0.1,*", "10.0.0.1/8", "proxy.bank.example"])
def test_nobody_trusts_everybody_or_a_name(everybody: str) -> None:
    with pytest.raises(ValidationError):
        Settings(trusted_proxies=everybody)
