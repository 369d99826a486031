"""Staying signed in: one successor for each refresh token, and an end that holds everywhere."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

import asyncpg
import httpx

from tests.api.problems import Rows, assert_problem
from tests.api.signing import bearer, login, signed_in
from tests.caller import Api


async def refresh(api: Api, token: str) -> httpx.Response:
    return await api.http.post("/v1/auth/refresh", json={"refresh_token": token})


async def renewed(api: Api, token: str) -> str:
    answer = await refresh(api, token)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return str(answer.json()["refresh_token"])


async def later(admin: asyncpg.Connection, token: str, *, used: str = "0 s", opened: str = "0 s") -> None:
    """Turns a session's clocks back."""
    await admin.execute(
        "UPDATE sessions SET last_used_at = last_used_at - $2::text::interval, "
        "expires_at = expires_at - $3::text::interval WHERE id = $1::uuid",
        token.split(".")[1],
        used,
        opened,
    )


async def reasons(admin: asyncpg.Connection, token: str) -> list[str]:
    rows = await admin.fetch(
        "SELECT detail FROM audits WHERE action = 'session.revoked' AND subject_id = $1::uuid", token.split(".")[1]
    )
    return [json.loads(row["detail"])["reason"] for row in rows]


async def test_a_lost_answer_may_be_asked_for_again_and_is_the_same(bank: Api) -> None:
    first = (await login(bank)).json()["refresh_token"]
    second = await renewed(bank, first)
    assert second != first
    assert await renewed(bank, first) == second
    assert await renewed(bank, second) not in (first, second)


async def test_reuse_after_ten_seconds_ends_the_session(bank: Api, admin: asyncpg.Connection) -> None:
    signed = (await login(bank)).json()
    first = signed["refresh_token"]
    second = await renewed(bank, first)
    await later(admin, first, used="11 s")
    assert_problem(await refresh(bank, first), code="unauthenticated")
    assert_problem(await refresh(bank, second), code="unauthenticated")
    assert_problem(await bank.http.get("/v1/auth/me", headers=bearer(signed["access_token"])), code="unauthenticated")
    assert await reasons(admin, first) == ["refresh_token_reused"]


async def test_reuse_of_an_older_token_ends_the_session_at_once(bank: Api, admin: asyncpg.Connection) -> None:
    """Whoever has used the successor has got it: nothing was lost."""
    first = (await login(bank)).json()["refresh_token"]
    newest = first
    for _ in range(3):
        newest = await renewed(bank, newest)
    assert_problem(await refresh(bank, first), code="unauthenticated")
    assert_problem(await refresh(bank, newest), code="unauthenticated")
    assert await reasons(admin, first) == ["refresh_token_reused"]


async def test_twenty_parallel_refreshes_have_one_successor(bank: Api, admin: asyncpg.Connection) -> None:
    first = (await login(bank)).json()["refresh_token"]
    answers = await asyncio.gather(*(refresh(bank, first) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert await admin.fetchval("SELECT generation FROM sessions WHERE id = $1::uuid", first.split(".")[1]) == 1
    told = "SELECT count(*) FROM audits WHERE action = 'auth.refreshed' AND subject_id = $1::uuid"
    assert await admin.fetchval(told, first.split(".")[1]) == 1


async def test_a_forged_refresh_token_changes_nothing(bank: Api, rows: Rows) -> None:
    """Session ids are no secret: who knows one must not be able to end it."""
    first = (await login(bank)).json()["refresh_token"]
    whole = await renewed(bank, first)
    tenant, session, generation, secret = whole.split(".")
    before = await rows.count()
    for bad in (
        *("x", "...", f"{tenant}.{session}", f"{tenant}.{session}.{generation}.", f"{tenant}.{session}.x.{secret}"),
        *(f"{tenant}.{session}.{n}.{secret}" for n in (0, 2, 7, 10**8, 10**12, -1, "\N{ARABIC-INDIC DIGIT ONE}")),
        *(f"{tenant}.{session}.{n}.{'A' * 43}" for n in range(3)),
        f"{tenant}.{uuid4().hex}.{generation}.{secret}",
        f"{uuid4().hex}.{session}.{generation}.{secret}",
        *(f"{whole}.x", "a.b.c.d", f"{first[:-1]}{'A' if first[-1] != 'A' else 'B'}"),
    ):
        assert_problem(await refresh(bank, bad), code="unauthenticated", why=bad)
    assert await rows.count() == before
    await renewed(bank, whole)


async def test_a_session_ends_when_it_idles_and_after_twelve_hours(bank: Api, admin: asyncpg.Connection) -> None:
    for clocks in ({"used": "31 m"}, {"opened": "12 h"}):
        signed = (await login(bank)).json()
        token = signed["refresh_token"]
        assert signed["expires_in"] == 600
        await later(admin, token, **{name: value.replace(" m", " minutes") for name, value in clocks.items()})
        assert_problem(await refresh(bank, token), code="unauthenticated", why=clocks)
    assert_problem(await bank.http.get("/v1/auth/me", headers=bearer(signed["access_token"])), code="unauthenticated")


async def sessions(api: Api, headers: dict[str, str]) -> list[dict[str, Any]]:
    answer = await api.http.get("/v1/auth/sessions", headers=headers)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def test_sessions_are_listed_and_one_is_ended(bank: Api, admin: asyncpg.Connection) -> None:
    here, there = await signed_in(bank), await signed_in(bank)
    listed = await sessions(bank, here)
    assert [each["current"] for each in listed] == [False, True]
    assert {each["user_agent"] for each in listed} == {bank.http.headers["user-agent"]}
    assert "python-httpx" not in str(await admin.fetch("SELECT * FROM sessions"))
    ended = await bank.http.delete(f"/v1/auth/sessions/{listed[0]['id']}", headers=here)
    assert ended.status_code == 204
    again = await bank.http.delete(f"/v1/auth/sessions/{listed[0]['id']}", headers=here)
    assert_problem(again, code="not_found")
    assert [each["id"] for each in await sessions(bank, here)] == [listed[1]["id"]]
    assert_problem(await bank.http.get("/v1/conversations", headers=there), code="unauthenticated")


async def test_sessions_of_a_colleague_do_not_exist(bank: Api) -> None:
    agent, other = await signed_in(bank), await signed_in(bank, "admin")
    theirs = (await sessions(bank, other))[0]["id"]
    assert theirs not in str(await sessions(bank, agent))
    assert_problem(await bank.http.delete(f"/v1/auth/sessions/{theirs}", headers=agent), code="not_found")
    assert (await bank.http.get("/v1/auth/me", headers=other)).status_code == 200


async def test_signing_out_everywhere_ends_all_sessions_of_the_account(bank: Api) -> None:
    here, there, colleague = await signed_in(bank), await signed_in(bank), await signed_in(bank, "admin")
    answer = await bank.http.post("/v1/auth/logout-all", headers=here)
    assert (answer.status_code, answer.json()) == (200, {"ended": 2})
    for headers in (here, there):
        assert_problem(await bank.http.get("/v1/auth/me", headers=headers), code="unauthenticated")
    assert (await bank.http.get("/v1/auth/me", headers=colleague)).status_code == 200


async def test_a_customer_has_no_sessions(bank: Api) -> None:
    customer = await bank.customer()
    assert await sessions(bank, customer.headers) == []


async def test_a_session_that_lay_idle_has_ended_everywhere(bank: Api, admin: asyncpg.Connection) -> None:
    customer = await (await bank.customer()).open()
    signed = (await login(bank)).json()
    headers = bearer(signed["access_token"])
    async with bank.http.stream("GET", f"{customer.path}/events", headers=headers) as stream:
        lines = stream.aiter_lines()
        assert await anext(lines) == ": stream"
        await later(admin, signed["refresh_token"], used="45 min")
        async with asyncio.timeout(5):
            assert "event: error" in [line async for line in lines]
    assert_problem(await bank.http.get("/v1/auth/me", headers=headers), code="unauthenticated")
    assert_problem(await bank.http.post("/v1/auth/stream-tickets", headers=headers), code="unauthenticated")
