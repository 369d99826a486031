"""A second factor: each code once, also in parallel; recovery codes for a lost phone."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx
import pyotp

from tests.api.problems import assert_problem
from tests.api.signing import login, signed_in
from tests.api.test_passwords import Codes, letters
from tests.caller import Api
from tests.neighbour import PASSWORD

__all__ = ["letters"]
PATH = "/v1/auth/mfa/totp"


def code(secret: str, steps: int = 0) -> str:
    """The code of now, or of so many steps later: one that was not used before."""
    return pyotp.TOTP(secret).at(int(time.time()) + 30 * steps)


def wrong(secret: str) -> str:
    near = {code(secret, steps) for steps in range(-3, 4)}
    return next(each for each in (f"{n:06d}" for n in range(10)) if each not in near)


async def begin(api: Api, headers: dict[str, str]) -> str:
    answer = await api.http.post(PATH, headers=headers)
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return str(answer.json()["secret"])


async def confirm(api: Api, headers: dict[str, str], otp: str) -> httpx.Response:
    return await api.http.post(f"{PATH}/confirm", json={"otp": otp}, headers=headers)


async def enrol(api: Api, admin: asyncpg.Connection) -> tuple[dict[str, str], str, list[str]]:
    """Headers, secret and recovery codes of the agent, whose factor is in force; no code of now was used."""
    headers = await signed_in(api)
    secret = await begin(api, headers)
    confirmed = await confirm(api, headers, code(secret))
    assert confirmed.status_code == 200, confirmed.text
    await forget_used(admin)
    return headers, secret, list(confirmed.json()["recovery_codes"])


async def forget_used(admin: asyncpg.Connection) -> None:
    """As if half a minute had passed since the last code."""
    await admin.execute("UPDATE second_factors SET last_step = last_step - 10 WHERE confirmed_at IS NOT NULL")


async def remove(api: Api, headers: dict[str, str], body: dict[str, str]) -> httpx.Response:
    return await api.http.request("DELETE", PATH, headers=headers, json=body)


async def test_a_factor_is_in_force_once_a_code_was_shown(bank: Api, admin: asyncpg.Connection) -> None:
    headers = await signed_in(bank)
    assert_problem(await confirm(bank, headers, "123456"), code="mfa_not_begun")
    first = await begin(bank, headers)
    again = await bank.http.post(PATH, headers=headers)
    secret = again.json()["secret"]
    assert secret != first
    assert parse_qs(urlsplit(again.json()["otpauth_uri"]).query)["secret"] == [secret]
    assert (await login(bank)).status_code == 200
    assert_problem(await confirm(bank, headers, code(first)), code="invalid_otp")
    codes = (await confirm(bank, headers, code(secret))).json()["recovery_codes"]
    assert len(set(codes)) == 10
    assert_problem(await login(bank), code="otp_required")
    assert_problem(await bank.http.post(PATH, headers=headers), code="mfa_enabled")
    assert_problem(await confirm(bank, headers, code(secret, 1)), code="mfa_not_begun")
    stored = str(await admin.fetch("SELECT * FROM second_factors")) + str(
        await admin.fetch("SELECT detail FROM audits")
    )
    assert secret not in stored
    assert not [each for each in codes if each in stored or each.replace("-", "") in stored]


async def test_a_stolen_token_alone_sets_no_factor_up(bank: Api, admin: asyncpg.Connection) -> None:
    headers = await signed_in(bank)
    await admin.execute(
        "UPDATE sessions SET created_at = now() - interval '11 minutes' WHERE tenant_id = "
        "(SELECT id FROM tenants WHERE slug = $1)",
        bank.demo["tenant"],
    )
    for body in (None, {}, {"password": None}):
        assert_problem(await bank.http.post(PATH, headers=headers, json=body), code="reauthentication_required")
    wrong = await bank.http.post(PATH, headers=headers, json={"password": "not the password"})
    assert_problem(wrong, code="wrong_password")
    assert (await bank.http.post(PATH, headers=headers, json={"password": PASSWORD})).status_code == 201


async def test_each_code_is_good_once_also_in_parallel(bank: Api, admin: asyncpg.Connection) -> None:
    _, secret, _ = await enrol(bank, admin)
    otp = code(secret)
    answers = await asyncio.gather(*(login(bank, otp=otp) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
    assert {answer.json().get("code") for answer in answers} == {None, "invalid_otp"}
    assert_problem(await login(bank, otp=otp), code="invalid_otp")
    assert (await login(bank, otp=code(secret, 1))).status_code == 200
    assert_problem(await login(bank, otp=otp), code="invalid_otp")


async def test_a_code_confirmed_with_is_used_up(bank: Api) -> None:
    headers = await signed_in(bank)
    secret = await begin(bank, headers)
    otp = code(secret)
    assert (await confirm(bank, headers, otp)).status_code == 200
    assert_problem(await login(bank, otp=otp), code="invalid_otp")


async def test_a_clock_may_be_off_by_one_step_only(bank: Api, admin: asyncpg.Connection) -> None:
    _, secret, _ = await enrol(bank, admin)
    assert_problem(await login(bank, otp=code(secret, 4)), code="invalid_otp")
    assert_problem(await login(bank, otp=code(secret, -4)), code="invalid_otp")


async def test_recovery_codes_are_good_once_each(bank: Api, admin: asyncpg.Connection) -> None:
    _, _, codes = await enrol(bank, admin)
    answers = await asyncio.gather(*(login(bank, otp=codes[0]) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
    assert (await login(bank, otp=codes[1].upper().replace("-", " "))).status_code == 200
    assert_problem(await login(bank, otp=codes[1]), code="invalid_otp")
    assert (await login(bank, otp=codes[2])).status_code == 200


async def test_guessing_codes_shuts_the_account_and_a_wrong_password_tells_nothing(
    bank: Api, admin: asyncpg.Connection
) -> None:
    _, secret, _ = await enrol(bank, admin)
    bank.http.cookies.clear()
    assert_problem(await login(bank, password="not the password", otp=code(secret)), code="invalid_credentials")
    for _ in range(4):
        assert_problem(await login(bank, otp=wrong(secret)), code="invalid_otp")
    others: tuple[dict[str, Any], ...] = ({"otp": code(secret)}, {})
    for other in others:
        assert_problem(await login(bank, **other), code="account_locked")


async def test_removing_it_needs_a_code_of_it(bank: Api, admin: asyncpg.Connection) -> None:
    headers, secret, codes = await enrol(bank, admin)
    without: tuple[dict[str, Any], ...] = ({}, {"password": PASSWORD}, {"password": PASSWORD, "otp": codes[0]})
    for body in without:
        assert_problem(await remove(bank, headers, body), code="invalid_request")
    assert_problem(await login(bank), code="otp_required")
    assert_problem(await remove(bank, headers, {"otp": wrong(secret)}), code="invalid_otp")
    assert (await remove(bank, headers, {"otp": codes[0]})).status_code == 204
    assert (await login(bank)).status_code == 200
    assert_problem(await remove(bank, headers, {"otp": codes[1]}), code="mfa_not_enabled")
    await begin(bank, headers)
    assert_problem(await remove(bank, headers, {"otp": codes[1]}), code="mfa_not_enabled")


async def test_a_short_password_leans_on_the_factor(bank: Api, admin: asyncpg.Connection) -> None:
    headers, secret, codes = await enrol(bank, admin)
    short = "zoß9Kqüw4é"

    async def change(old: str, new: str) -> httpx.Response:
        body = {"current_password": old, "new_password": new}
        return await bank.http.post("/v1/auth/password/change", json=body, headers=headers)

    assert (await change(PASSWORD, short)).status_code == 200
    assert (await login(bank, password=short, otp=code(secret))).status_code == 200
    assert_problem(await remove(bank, headers, {"otp": codes[0]}), code="password_needs_factor")
    assert_problem(await change(short, "ü9Kqw4é"), code="weak_password")
    assert (await change(short, "six words that only you know")).status_code == 200
    assert (await remove(bank, headers, {"otp": codes[1]})).status_code == 204
    assert_problem(await change("six words that only you know", short), code="weak_password")


async def test_an_admin_takes_a_lost_one_away_and_never_his_own(
    bank: Api, admin: asyncpg.Connection, letters: Codes
) -> None:
    headers, _, _ = await enrol(bank, admin)
    manager = await bank.staff("admin")
    agent, own = [(await bank.http.get("/v1/auth/me", headers=who)).json() for who in (headers, manager)]
    reset = f"/v1/users/{agent['id']}/mfa/reset"
    assert_problem(await bank.http.post(reset, headers=headers), code="forbidden")
    mine = f"/v1/users/{own['id']}/mfa/reset"
    assert_problem(await bank.http.post(mine, headers=manager), code="own_account")
    assert (await bank.http.post(reset, headers=manager)).status_code == 204
    assert_problem(await bank.http.get("/v1/auth/me", headers=headers), code="unauthenticated")
    assert (await login(bank)).status_code == 200
    assert_problem(await bank.http.post(reset, headers=manager), code="mfa_not_enabled")
    async with asyncio.timeout(20):
        while not letters(str(bank.demo["users"]["agent"]["email"])):
            await asyncio.sleep(0.05)


async def test_a_short_password_ends_with_the_factor_that_an_admin_takes_away(
    bank: Api, admin: asyncpg.Connection
) -> None:
    headers, _, _ = await enrol(bank, admin)
    me, short = (await bank.http.get("/v1/auth/me", headers=headers)).json()["id"], "zoß9Kqüw4é"
    body = {"current_password": PASSWORD, "new_password": short}
    assert (await bank.http.post("/v1/auth/password/change", json=body, headers=headers)).status_code == 200
    manager = await bank.staff("admin")
    assert (await bank.http.post(f"/v1/users/{me}/mfa/reset", headers=manager)).status_code == 204
    assert_problem(await login(bank, password=short), code="invalid_credentials")


async def test_where_it_is_required_the_token_opens_nothing_else_before(bank: Api, admin: asyncpg.Connection) -> None:
    await admin.execute(
        """UPDATE tenants SET settings = settings || '{"mfa_required_roles": ["admin", "agent"]}' WHERE slug = $1""",
        bank.demo["tenant"],
    )
    headers = await signed_in(bank)
    assert (await bank.http.get("/v1/auth/me", headers=headers)).json()["mfa_enrolment_required"]
    customer = await (await bank.customer()).open()
    for path in ("/v1/conversations", customer.path, f"{customer.path}/events", "/v1/escalations"):
        assert_problem(await bank.http.get(path, headers=headers), code="mfa_enrolment_required", why=path)
    secret = await begin(bank, headers)
    assert_problem(await bank.http.get("/v1/conversations", headers=headers), code="mfa_enrolment_required")
    assert (await confirm(bank, headers, code(secret))).status_code == 200
    assert (await bank.http.get("/v1/conversations", headers=headers)).status_code == 200
    assert (await bank.http.get("/v1/conversations", headers=customer.headers)).status_code == 200


async def test_customers_have_no_factor_here(bank: Api) -> None:
    customer = await bank.customer()
    assert_problem(await bank.http.post(PATH, headers=customer.headers), code="not_found")
    assert_problem(await remove(bank, customer.headers, {"otp": "123456"}), code="not_found")


async def test_each_change_is_an_audit_event(bank: Api, admin: asyncpg.Connection) -> None:
    headers, _, codes = await enrol(bank, admin)
    await remove(bank, headers, {"otp": codes[0]})
    rows = await admin.fetch(
        "SELECT action, detail FROM audits WHERE action LIKE 'auth.mfa%' AND tenant_id = "
        "(SELECT id FROM tenants WHERE slug = $1) ORDER BY occurred_at",
        bank.demo["tenant"],
    )
    assert [row["action"] for row in rows] == ["auth.mfa_begun", "auth.mfa_enabled", "auth.mfa_disabled"]
    assert [json.loads(row["detail"]) for row in rows] == [{}, {}, {}]
