"""Single sign-on at a real provider's process: who gets in, as whom, and with which roles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from tests.api.problems import assert_problem
from tests.api.signing import bearer, login
from tests.api.test_mfa import code, enrol
from tests.api.test_passwords import Codes, letters
from tests.identity.oidc import PAGE, Browser, RunningProvider, change_sso, code_of, running_provider, set_up
from tests.identity.oidc_provider import CLIENT_ID, CLIENT_SECRET
from tests.tenants.conftest import Bank, bank

__all__ = ["bank", "letters"]
MAPPED: dict[str, Any] = {"role_claim": "groups", "roles": {"desk": ["agent"], "leads": ["supervisor", "agent"]}}


@pytest.fixture(scope="module")
async def provider() -> AsyncIterator[RunningProvider]:
    async with running_provider() as running:
        yield running


@pytest.fixture
async def browser(bank: Bank, provider: RunningProvider) -> Browser:
    """Of a bank whose provider opens accounts, at the door of that provider."""
    await provider.tell(behave="")
    await provider.next_user(groups=["desk", "others"])
    await set_up(bank.api, bank.id, provider, provisioning=True, **MAPPED)
    return Browser(bank.api, bank.tenant.slug)


async def reasons(bank: Bank, least: int = 1) -> list[str]:
    """Of the failures, once there are so many: what anybody may bring about is counted and written a moment later."""
    async with asyncio.timeout(20):
        while True:
            told = [each["detail"] for each in await bank.events("auth.sso_failed")]
            found = [each.get("reason", each["code"]) for each in told for _ in range(each.get("count", 1))]
            if len(found) >= least:
                return found
            await asyncio.sleep(0.1)


async def test_a_newcomer_of_a_known_group_gets_an_account_and_a_session(bank: Bank, browser: Browser) -> None:
    me = await browser.me()
    assert (me["kind"], me["roles"]) == ("user", ["agent"])
    assert (await browser.me())["id"] == me["id"]
    user = (await bank.ask("GET", f"/v1/users/{me['id']}")).json()
    assert (user["email"], user["display_name"]) == ("noor@bank.example", "Noor Newcomer")
    logins = [each["detail"] for each in await bank.events("auth.login") if each["actor"]["id"] == me["id"]]
    assert [each["method"] for each in logins] == ["sso", "sso"]
    registered = [each["detail"] for each in await bank.events("user.registered")]
    assert registered == [{"roles": ["agent"], "method": "sso"}]


async def test_groups_give_and_take_roles_at_each_sign_in_but_never_the_operators(
    bank: Bank, browser: Browser, provider: RunningProvider
) -> None:
    assert (await browser.me())["roles"] == ["agent"]
    await provider.next_user(groups=["leads"])
    assert (await browser.me())["roles"] == ["agent", "supervisor"]
    for groups in (["others"], [], "others", None, 7, {"desk": 1}):
        await provider.next_user(groups=groups)
        assert_problem(await browser.to_page(), code="sso_not_admitted")
    await change_sso(bank.api, bank.id, {"issuer": provider.url, "client_id": CLIENT_ID, **MAPPED,
                                         "default_role": "analyst"})  # fmt: skip
    assert (await browser.me())["roles"] == ["analyst"]
    changes = [each["detail"]["roles"] for each in await bank.events("user.changed")]
    assert changes == [["analyst"], ["agent", "supervisor"]]
    path = f"/v1/tenants/{bank.id}/settings"
    for wrong in ({"roles": {"desk": ["platform_admin"]}}, {"default_role": "platform_admin"}, {"required": True},
                  {"issuer": "ftp://x.example"}, {"issuer": "https://user@x.example"}):  # fmt: skip
        body = {"sso": {"issuer": provider.url, "client_id": CLIENT_ID, **wrong}}
        assert_problem(await bank.ask("PATCH", path, json=body, headers={"If-Match": '"1"'}), 422)


async def test_groups_never_lead_from_a_role_to_the_one_that_checks_it(
    bank: Bank, browser: Browser, provider: RunningProvider, letters: Codes
) -> None:
    """Neither beside each other, nor one after the other: whoever may map groups would raise himself."""
    roles = {"it": ["admin"], "control": ["compliance_officer"]}
    mapping = {"issuer": provider.url, "client_id": CLIENT_ID, "provisioning": True, "role_claim": "groups"}
    await change_sso(bank.api, bank.id, {**mapping, "roles": roles})
    await provider.next_user(groups=["it", "control"])
    assert_problem(await browser.to_page(), code="sso_not_admitted")
    await provider.next_user(groups=["it"])
    me = await browser.me()
    assert me["roles"] == ["admin"]
    async with asyncio.timeout(20):
        while not letters(f"admin@{bank.tenant.slug}.example"):
            await asyncio.sleep(0.05)
    assert "noor@bank.example" in letters(f"admin@{bank.tenant.slug}.example")[0]
    await change_sso(bank.api, bank.id, {**mapping, "roles": {"it": ["compliance_officer"]}})
    assert_problem(await browser.to_page(), code="sso_not_admitted")
    assert (await bank.ask("GET", f"/v1/users/{me['id']}")).json()["roles"] == ["admin"]
    assert await reasons(bank) == ["roles_not_separate"] * 2


async def test_only_the_invited_get_in_where_no_accounts_are_opened(
    bank: Bank, browser: Browser, provider: RunningProvider
) -> None:
    await change_sso(bank.api, bank.id, {"issuer": provider.url, "client_id": CLIENT_ID})
    assert_problem(await browser.to_page(), code="sso_not_admitted")
    invited = await bank.ask("POST", "/v1/users", json={"email": "Noor@bank.example", "roles": ["auditor"]})
    assert invited.status_code == 201
    for unverified in ({"email_verified": False}, {"email_verified": "true"}, {"email_verified": None},
                       {"email": None}, {"email": "other@bank.example"}):  # fmt: skip
        await provider.next_user(**unverified)
        assert_problem(await browser.to_page(), code="sso_not_admitted")
    await provider.next_user()
    me = await browser.me()
    assert me["roles"] == ["auditor"]
    # From now on it is the subject that counts, whatever becomes of the address.
    await provider.next_user(email="married@bank.example", email_verified=False)
    assert (await browser.me())["id"] == me["id"]
    await provider.next_user(sub="somebody-else")
    assert_problem(await browser.to_page(), code="sso_not_admitted")
    assert (await bank.ask("POST", f"/v1/users/{me['id']}/deactivate")).status_code == 200
    await provider.next_user()
    assert_problem(await browser.to_page(), code="sso_not_admitted")
    assert await reasons(bank) == ["closed", "not_linked", "not_invited", *["email_unverified"] * 4, "not_invited"]


async def test_an_account_is_linked_by_its_owner_alone(
    bank: Bank, browser: Browser, provider: RunningProvider, admin: asyncpg.Connection
) -> None:
    await provider.next_user(email=bank.api.demo["users"]["supervisor"]["email"], groups=["leads"])
    assert_problem(await browser.to_page(), code="sso_not_admitted")
    mine = bearer((await login(bank.api, role="supervisor")).json()["access_token"])
    begun = await bank.api.http.post("/v1/auth/sso/link", json={"return_to": PAGE}, headers=mine)
    assert begun.status_code == 200, begun.text
    browser.cookies = begun.cookies
    granted = await browser.get(begun.json()["url"])
    linked = await browser.get(granted.headers["location"])
    assert linked.headers["location"].endswith(f"{PAGE}#sso_linked=1")
    assert len(await bank.events("auth.sso_linked")) == 1
    assert (await browser.me())["id"] == bank.user("supervisor")
    # Another account cannot have the same identity, and an old session cannot link.
    others = bearer((await login(bank.api)).json()["access_token"])
    begun = await bank.api.http.post("/v1/auth/sso/link", json={"return_to": PAGE}, headers=others)
    browser.cookies = begun.cookies
    granted = await browser.get(begun.json()["url"])
    assert_problem(await browser.get(granted.headers["location"]), code="sso_not_admitted")
    await admin.execute("UPDATE sessions SET created_at = now() - interval '11 minutes' WHERE tenant_id = $1", bank.id)
    again = await bank.api.http.post("/v1/auth/sso/link", json={"return_to": PAGE}, headers=mine)
    assert_problem(again, code="reauthentication_required")


async def test_the_code_is_good_once_and_for_the_page_that_began(bank: Bank, browser: Browser) -> None:
    answer = await browser.to_page()
    assert answer.headers["location"].startswith(f"{bank.api.url}{PAGE}#sso_code=")
    assert answer.headers["cache-control"] == "no-store"
    handed = code_of(answer)
    thief = Browser(bank.api, bank.tenant.slug)
    assert_problem(await thief.exchange(handed), code="invalid_sso_code")
    for wrong in ("x", handed[:-1], f"{'0' * 32}.{handed.partition('.')[2]}"):
        assert_problem(await browser.exchange(wrong), code="invalid_sso_code")
    answers = await asyncio.gather(*(browser.exchange(handed) for _ in range(4)))
    assert sorted(each.status_code for each in answers) == [200, 422, 422, 422]
    assert_problem(await browser.exchange(handed), code="invalid_sso_code")
    tokens = next(each.json() for each in answers if each.status_code == 200)
    assert tokens["access_token"] not in str(answer.headers)


async def test_where_the_provider_asked_for_no_second_factor_ours_is_asked_for(
    bank: Bank, browser: Browser, provider: RunningProvider, admin: asyncpg.Connection
) -> None:
    headers, secret, _ = await enrol(bank.api, admin)
    begun = await bank.api.http.post("/v1/auth/sso/link", json={"return_to": PAGE}, headers=headers)
    browser.cookies = begun.cookies
    await browser.get((await browser.get(begun.json()["url"])).headers["location"])
    handed = code_of(await browser.to_page())
    assert_problem(await browser.exchange(handed), code="otp_required")
    assert_problem(await browser.exchange(handed, otp="000000"), code="invalid_otp")
    assert (await browser.exchange(handed, otp=code(secret))).status_code == 200
    await provider.next_user(groups=["desk"], amr=["pwd", "mfa"])
    assert (await browser.sign_in())["access_token"]


async def test_a_tenant_may_refuse_passwords_but_for_a_way_back(
    bank: Bank, browser: Browser, provider: RunningProvider
) -> None:
    known = {"issuer": provider.url, "client_id": CLIENT_ID, **MAPPED, "provisioning": True, "required": True}
    path, headers = f"/v1/tenants/{bank.id}/settings", await bank.api.staff("admin")
    etag = (await bank.api.http.get(path, headers=headers)).headers["etag"]
    for nobody in (bank.user("agent"), "01900000-0000-7000-8000-000000000000"):
        body = {"sso": {**known, "break_glass": [nobody]}}
        refused = await bank.api.http.patch(path, json=body, headers={**headers, "If-Match": etag})
        assert_problem(refused, code="break_glass_missing")
    signed = (await login(bank.api)).json()
    await change_sso(bank.api, bank.id, {**known, "break_glass": [bank.user("admin")]})
    session, renewal = bearer(signed["access_token"]), {"refresh_token": signed["refresh_token"]}
    assert_problem(await bank.api.http.get("/v1/auth/me", headers=session), code="unauthenticated")
    assert_problem(await bank.api.http.post("/v1/auth/refresh", json=renewal), code="unauthenticated")
    async with asyncio.timeout(10):  # another request may have read the settings a moment before
        while (await login(bank.api)).status_code == 200:
            await asyncio.sleep(0.2)
    assert_problem(await login(bank.api), code="sso_required")
    assert_problem(await login(bank.api, password="not the password"), code="invalid_credentials")
    assert (await login(bank.api, role="admin")).status_code == 200
    assert (await browser.me())["roles"] == ["agent"]


async def test_the_client_secret_is_sealed_never_shown_and_given_to_one_issuer_only(
    bank: Bank, browser: Browser, provider: RunningProvider, admin: asyncpg.Connection
) -> None:
    path = f"/v1/tenants/{bank.id}/sso"
    shown = (await bank.ask("GET", path)).json()
    assert shown == {"issuer": provider.url, "client_id": CLIENT_ID, "client_secret_set": True,
                     "redirect_uri": f"{bank.api.url}/v1/auth/sso/{bank.tenant.slug}/callback"}  # fmt: skip
    settings = (await bank.ask("GET", f"/v1/tenants/{bank.id}/settings")).text
    stored = str([dict(row) for row in await admin.fetch("SELECT * FROM sso_secrets")])
    assert CLIENT_SECRET not in stored + settings + str(await bank.events("tenant.sso_secret_set"))
    await change_sso(bank.api, bank.id, {"issuer": "https://thief.example", "client_id": CLIENT_ID})
    assert (await bank.ask("GET", path)).json()["client_secret_set"] is False
    assert_problem(await browser.start(), code="sso_not_configured")
    await change_sso(bank.api, bank.id, {"issuer": provider.url, "client_id": CLIENT_ID})
    assert (await bank.ask("DELETE", f"{path}/client-secret")).status_code == 204
    assert_problem(await browser.start(), code="sso_not_configured")
    assert_problem(await bank.ask("DELETE", f"{path}/client-secret"), 404)
    for role in ("supervisor", "auditor", "agent"):
        body = {"client_secret": "mine"}
        assert_problem(await bank.ask("PUT", f"{path}/client-secret", role, json=body), code="forbidden")


async def test_signing_out_ends_the_session_here_and_says_where_to_end_the_other(
    bank: Bank, browser: Browser, provider: RunningProvider
) -> None:
    headers = bearer((await browser.sign_in())["access_token"])
    left = await bank.api.http.post("/v1/auth/sso/logout", json={"return_to": PAGE}, headers=headers)
    assert left.status_code == 200, left.text
    assert left.json()["url"].startswith(f"{provider.url}/logout?client_id={CLIENT_ID}&post_logout_redirect_uri=")
    assert [each["detail"] for each in await bank.events("session.revoked")] == [{"reason": "logout"}]
    assert_problem(await bank.api.http.get("/v1/auth/me", headers=headers), code="unauthenticated")
