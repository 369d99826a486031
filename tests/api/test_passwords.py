"""A password is changed by who knows it, or set with a code out of a mail; either ends what was signed in before."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from email import message_from_bytes, policy
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest

from helios.embedded.supervisor import Stack
from tests.api.problems import Rows, assert_problem
from tests.api.signing import answer_of, bearer, login, signed_in
from tests.caller import Api
from tests.neighbour import PASSWORD

NEW = "a wholly other handful of words"
CODE = re.compile(r"^\s*([0-9a-f]{32}\.[0-9a-f]{32}\.[\w-]{43})\s*$", re.MULTILINE)
Codes = Callable[[str], list[str]]


@pytest.fixture(scope="session")
def letters(stack: Stack) -> Codes:
    """The texts that were mailed to an address, oldest first."""
    folder: Path = stack.servers.home.root / "mail"

    def texts(to: str) -> list[str]:
        mails = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in sorted(folder.glob("*.eml"))]
        return [mail.get_content() for mail in mails if mail["To"] == to]

    return texts


@pytest.fixture(scope="session")
def mailed(letters: Codes) -> Codes:
    """The codes among them."""
    return lambda to: [match[1] for text in letters(to) for match in [CODE.search(text)] if match]


async def code_of(mailed: Codes, to: str, number: int = 1) -> str:
    async with asyncio.timeout(20):
        while len(found := mailed(to)) < number:
            await asyncio.sleep(0.05)
    return found[-1]


async def change(api: Api, headers: dict[str, str], new: str = NEW, old: str = PASSWORD) -> httpx.Response:
    body = {"current_password": old, "new_password": new}
    return await api.http.post("/v1/auth/password/change", json=body, headers=headers)


async def ask(api: Api, email: str, tenant: object = None) -> httpx.Response:
    body = {"tenant": tenant or api.demo["tenant"], "email": email}
    return await api.http.post("/v1/auth/password/reset-request", json=body)


async def reset(api: Api, token: str, new: str = NEW) -> httpx.Response:
    return await api.http.post("/v1/auth/password/reset", json={"token": token, "new_password": new})


async def test_a_change_keeps_this_session_and_ends_the_others(bank: Api) -> None:
    here, there, colleague = await signed_in(bank), await signed_in(bank), await signed_in(bank, "admin")
    answer = await change(bank, here)
    assert (answer.status_code, answer.json()) == (200, {"ended_sessions": 1})
    assert (await bank.http.get("/v1/auth/me", headers=here)).status_code == 200
    assert (await bank.http.get("/v1/auth/me", headers=colleague)).status_code == 200
    assert_problem(await bank.http.get("/v1/auth/me", headers=there), code="unauthenticated")
    assert_problem(await login(bank), code="invalid_credentials")
    assert (await login(bank, password=NEW)).status_code == 200


async def test_a_change_needs_the_present_password_and_counts_guesses(bank: Api) -> None:
    headers = await signed_in(bank)
    answers = [await change(bank, headers, old="not the password") for _ in range(6)]
    assert [answer.json()["code"] for answer in answers] == ["wrong_password"] * 5 + ["account_locked"]
    assert_problem(await change(bank, headers), code="account_locked")
    assert (await login(bank)).status_code == 200
    customer = await bank.customer()
    assert_problem(await change(bank, customer.headers), code="not_found")


async def test_a_weak_password_is_refused_with_what_to_do(bank: Api) -> None:
    headers = await signed_in(bank)
    name = f"Neighbour Savings {bank.demo['tenant']}"
    for weak in ("short", "password1234567", "Nora agent 2026", name):
        body = assert_problem(await change(bank, headers, weak), code="weak_password", why=weak)
        assert body["errors"][0]["pointer"] == "/new_password"
        assert weak not in str(body["errors"])
    assert (await login(bank)).status_code == 200


async def test_a_reset_by_mail_ends_all_sessions_and_opens_a_locked_account(bank: Api, mailed: Codes) -> None:
    email = bank.demo["users"]["agent"]["email"]
    before = await signed_in(bank)
    bank.http.cookies.clear()
    for _ in range(5):
        await login(bank, password="not the password")
    assert_problem(await login(bank), code="account_locked")
    assert (await ask(bank, f" {email.upper()}")).status_code == 202
    code = await code_of(mailed, email)
    assert_problem(await reset(bank, code, "short"), code="weak_password")
    assert (await reset(bank, code)).status_code == 204
    assert_problem(await bank.http.get("/v1/auth/me", headers=before), code="unauthenticated")
    assert (await login(bank, password=NEW)).status_code == 200
    assert_problem(await reset(bank, code, "yet another handful of words"), code="invalid_reset_token")


async def test_one_code_is_used_once_also_by_many_at_once_and_closes_the_others(bank: Api, mailed: Codes) -> None:
    email = bank.demo["users"]["agent"]["email"]
    for n in (1, 2):
        await ask(bank, email)
        await code_of(mailed, email, n)
    first, second = mailed(email)
    answers = await asyncio.gather(*(reset(bank, second) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [204] + [422] * 5
    assert_problem(await reset(bank, first), code="invalid_reset_token")


async def test_a_code_ends_after_half_an_hour_and_is_kept_as_a_hash(
    bank: Api, mailed: Codes, admin: asyncpg.Connection
) -> None:
    email = bank.demo["users"]["agent"]["email"]
    await ask(bank, email)
    code = await code_of(mailed, email)
    row = await admin.fetchrow("SELECT * FROM password_resets WHERE id = $1::uuid", code.split(".")[1])
    assert 29 <= (row["expires_at"] - row["created_at"]).total_seconds() / 60 <= 30
    assert code.split(".")[2] not in str(row)
    await admin.execute("UPDATE password_resets SET expires_at = now() - interval '1 s' WHERE id = $1", row["id"])
    assert_problem(await reset(bank, code), code="invalid_reset_token")
    tenant, own, secret = code.split(".")
    for bad in ("x", "..", f"{tenant}.{own}", f"{uuid4().hex}.{own}.{secret}", f"{tenant}.{uuid4().hex}.{secret}"):
        assert_problem(await reset(bank, bad), code="invalid_reset_token", why=bad)


async def all_sent(bank: Api, admin: asyncpg.Connection) -> None:
    """Nothing waits of this tenant any more."""
    waiting = "SELECT EXISTS (SELECT FROM outbox WHERE tenant_id = (SELECT id FROM tenants WHERE slug = $1))"
    async with asyncio.timeout(30):
        while await admin.fetchval(waiting, bank.demo["tenant"]):
            await asyncio.sleep(0.05)


async def test_who_asks_learns_nothing_and_fills_no_mailbox(
    bank: Api, mailed: Codes, rows: Rows, admin: asyncpg.Connection
) -> None:
    email = bank.demo["users"]["agent"]["email"]
    known = [await ask(bank, email) for _ in range(6)]
    await code_of(mailed, email, 3)
    await all_sent(bank, admin)
    before = await rows.count()
    unknown = [await ask(bank, "nobody@example.com"), await ask(bank, email, "no-such-bank")]
    assert len({str(answer_of(answer)) for answer in (*known, *unknown)}) == 1
    await all_sent(bank, admin)
    assert await rows.count() == before
    assert len(mailed(email)) == 3


async def test_invited_staff_open_an_account_once(bank: Api, mailed: Codes, admin: asyncpg.Connection) -> None:
    """Where the tenant lets people register, the invitation comes by mail; an admin gives the first role."""
    email = f"{uuid4().hex}@bank.example"
    ask_for = {"tenant": bank.demo["tenant"], "email": email}
    assert_problem(await bank.http.post("/v1/auth/register", json=ask_for), code="registration_closed")
    await admin.execute(
        """UPDATE tenants SET settings = settings || '{"self_registration": true}' WHERE slug = $1""",
        bank.demo["tenant"],
    )
    for _ in range(3):
        assert (await bank.http.post("/v1/auth/register", json=ask_for)).status_code == 202
    code = await code_of(mailed, email)
    body = {"invitation": code, "display_name": "Noor Register", "password": NEW}
    weak = await bank.http.post("/v1/auth/register", json={**body, "password": "Noor Register 1"})
    assert assert_problem(weak, code="weak_password")["errors"][0]["pointer"] == "/password"
    answers = await asyncio.gather(*(bank.http.post("/v1/auth/register", json=body) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers)[0] == 201
    assert {answer.json().get("code") for answer in answers} <= {None, "account_exists", "invalid_invitation"}
    (made,) = (answer.json() for answer in answers if answer.status_code == 201)
    assert (made["email"], made["roles"]) == (email, [])
    signed = await login(bank, email=email, password=NEW)
    assert signed.status_code == 200
    assert_problem(
        await bank.http.get("/v1/conversations", headers=bearer(signed.json()["access_token"])), code="forbidden"
    )
    assert_problem(await bank.http.post("/v1/auth/register", json=body), code="invalid_invitation")
    assert len(mailed(email)) == 1


@pytest.mark.parametrize("body", [{}, {"tenant": "x"}, {"email": "a@b.example"}, {"invitation": "x", "password": NEW}])
async def test_half_a_registration_is_refused(bank: Api, body: dict[str, str]) -> None:
    assert_problem(await bank.http.post("/v1/auth/register", json=body), code="invalid_request")
    whole = {"invitation": "x", "display_name": "N", "password": NEW}
    assert_problem(await bank.http.post("/v1/auth/register", json=whole), code="invalid_invitation")
    assert_problem(await bank.http.post("/v1/auth/register", json={**whole, **body, "tenant": "x"}), 422)
