"""Guesses are stopped; the owner of the account is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from api.auth import line
from api.problems import Problem
from helios.embedded.supervisor import Stack
from helios.identity import lockout
from helios.identity.lockout import FREE_FAILURES, MOST_S, Lockout
from tests.api.beside import api_beside
from tests.api.problems import assert_problem
from tests.api.signing import answer_of, login
from tests.caller import Api

WRONG: dict[str, Any] = {"password": "not the password"}


@pytest.fixture
async def stranger(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """Another client, without the cookies of those who signed in before."""
    async with httpx.AsyncClient(base_url=stack.servers.api_url, timeout=30) as client:
        yield client


async def test_after_five_failures_an_account_is_shut_whether_it_exists_or_not(bank: Api) -> None:
    seen = []
    others: tuple[dict[str, Any], ...] = ({}, {"email": "nobody@example.com"}, {"tenant": f"none-{uuid4()}"})
    for other in others:
        answers = [await login(bank, **{**WRONG, **other}) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [401] * 5 + [429]
        assert_problem(answers[-1], code="account_locked")
        assert 50 <= int(answers[-1].headers["retry-after"]) <= 61
        assert_problem(await login(bank, **other), code="account_locked")
        seen.append([answer_of(answer) for answer in answers])
    assert seen[0] == seen[1] == seen[2]


async def test_guesses_side_by_side_are_counted_one_by_one(bank: Api) -> None:
    """The lock must hold while twenty guesses are on their way, also for one that is right."""
    answers = await asyncio.gather(*(login(bank, **WRONG) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 15
    assert_problem(await login(bank), code="account_locked")


async def test_right_passwords_side_by_side_all_get_in(bank: Api) -> None:
    answers = await asyncio.gather(*(login(bank) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}


async def test_a_success_forgets_the_failures(bank: Api) -> None:
    for _ in range(3):
        for _ in range(4):
            assert (await login(bank, **WRONG)).status_code == 401
        assert (await login(bank)).status_code == 200


async def test_a_stranger_shuts_out_strangers_but_not_a_known_device(bank: Api, stranger: httpx.AsyncClient) -> None:
    assert (await login(bank)).status_code == 200
    for _ in range(5):
        assert (await login(bank, stranger, **WRONG)).status_code == 401
    assert_problem(await login(bank, stranger), code="account_locked")
    assert (await login(bank)).status_code == 200
    assert_problem(await login(bank, stranger), code="account_locked")


async def test_a_known_device_is_counted_too(bank: Api, stranger: httpx.AsyncClient) -> None:
    assert (await login(bank)).status_code == 200
    for _ in range(5):
        assert (await login(bank, **WRONG)).status_code == 401
    assert_problem(await login(bank), code="account_locked")
    assert (await login(bank, stranger)).status_code == 200


async def test_a_known_device_does_not_wait_for_a_flood_from_its_own_address(
    bank: Api, stranger: httpx.AsyncClient
) -> None:
    """By the order of the answers: the device's comes while most of the flood still waits."""
    assert (await login(bank)).status_code == 200  # leaves the cookie
    done: list[int] = []

    async def guess(number: int) -> None:
        done.append((await login(bank, stranger, email=f"nobody-{number}@example.com", **WRONG)).status_code)

    flood = [asyncio.create_task(guess(number)) for number in range(24)]
    async with asyncio.timeout(20):
        while not done:
            await asyncio.sleep(0.01)
    assert (await login(bank)).status_code == 200
    assert len(done) < len(flood) / 2
    await asyncio.gather(*flood)
    assert set(done) == {401}


async def test_of_one_address_so_many_wait_to_sign_in_and_the_next_is_told_to_come_again() -> None:
    flood, known, held = (False, "flood"), (True, "device"), asyncio.Event()
    served: list[tuple[bool, str]] = []

    async def come(place: tuple[bool, str]) -> None:
        async with line.in_line(place):
            served.append(place)
            await held.wait()

    tasks = [asyncio.create_task(come(flood)) for _ in range(line.AT_A_TIME + line.WAITING_MOST)]
    await asyncio.sleep(0)
    with pytest.raises(Problem) as refused:
        await come(flood)
    assert (refused.value.code, refused.value.status) == ("dependency_unavailable", 503)
    tasks.append(asyncio.create_task(come(known)))
    await asyncio.sleep(0)
    held.set()
    await asyncio.gather(*tasks)
    assert served.index(known) == line.AT_A_TIME


async def test_a_device_cookie_is_good_for_its_own_account_only(bank: Api, stranger: httpx.AsyncClient) -> None:
    signed_in = await login(bank, role="admin")
    value = signed_in.cookies["helios_device"]
    assert "httponly" in signed_in.headers["set-cookie"].lower()
    assert "samesite=strict" in signed_in.headers["set-cookie"].lower()
    for _ in range(5):
        await login(bank, stranger, **WRONG)
    for cookie in (value, value[:-1] + ("A" if value[-1] != "A" else "B"), "x", "..", "a.1.b", "\xff.1.x"):
        answer = await bank.http.post(
            "/v1/auth/login",
            json={"tenant": bank.demo["tenant"], **bank.demo["users"]["agent"]},
            headers=[(b"Cookie", b"helios_device=" + cookie.encode("latin-1"))],
        )
        assert_problem(answer, code="account_locked", why=cookie)


async def test_each_lock_is_longer_up_to_half_an_hour_and_failures_age(bank: Api, valkey: Redis) -> None:
    name, counter = f"test-{uuid4()}", Lockout(valkey)
    lock, failures, _ = lockout._keys(name)
    for _ in range(FREE_FAILURES - 1):
        assert await counter.settle(name, right=False) == lockout.Settled()
    shut = []
    for _ in range(7):
        shut.append((await counter.settle(name, right=False)).shut_s)
        assert 0 < (await counter.settle(name, right=True)).left_s <= shut[-1]
        await valkey.delete(lock)  # its time is over
    assert shut == [60, 120, 240, 480, 960, MOST_S, MOST_S]
    entries: Any = await valkey.zrange(failures, 0, -1, withscores=True)
    await valkey.zadd(failures, {each: score - 15 * 60_000 for each, score in entries})
    assert [(await counter.settle(name, right=False)).shut_s for _ in range(5)] == [0, 0, 0, 0, MOST_S]
    await valkey.delete(lock)
    assert await counter.settle(name, right=True) == lockout.Settled()
    assert [(await counter.settle(name, right=False)).shut_s for _ in range(5)] == [0, 0, 0, 0, 60]


async def test_without_the_count_nobody_gets_in(stack: Stack, bank: Api) -> None:
    """An API whose Valkey is away: sign-in is closed, with a time to try again."""
    async with api_beside(stack, redis_url=SecretStr("redis://127.0.0.1:1/0"), rate_limits=0) as beside:
        for other in ({}, WRONG, {"email": "nobody@example.com"}):
            answer = await login(bank, beside, **other)
            assert (answer.status_code, answer.json()["code"]) == (503, "dependency_unavailable")
            assert int(answer.headers["retry-after"]) >= 1


async def test_failures_and_locks_are_audit_events_without_the_address(bank: Api, admin: asyncpg.Connection) -> None:
    for email in (bank.demo["users"]["agent"]["email"], "nobody.at.all@example.com"):
        for _ in range(5):
            await login(bank, email=email, **WRONG)
    rows = await admin.fetch(
        "SELECT action, actor_id, detail::text FROM audits WHERE tenant_id = (SELECT id FROM tenants WHERE slug = $1) "
        "AND action LIKE 'auth.%' ORDER BY occurred_at, action DESC",
        bank.demo["tenant"],
    )
    told = ["auth.login_failed"] * 5 + ["auth.account_locked"]
    assert [row["action"] for row in rows] == told * 2
    assert {row["actor_id"] is None for row in rows[6:]} == {True}
    assert "example" not in str(rows)
