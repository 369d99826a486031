"""What a provider, or somebody who plays one, may answer: nothing but its own good word signs anybody in."""

from __future__ import annotations

import httpx
import pytest

from api.problems import CODES, MEDIA_TYPE
from helios.identity.providers import ProviderError, Providers, open_providers
from helios.settings import Settings
from tests.api.problems import assert_problem
from tests.api.test_sso import MAPPED, browser, provider, reasons
from tests.caller import Api
from tests.identity.oidc import Browser, RunningProvider, change_sso, running_provider, set_up
from tests.identity.oidc_provider import ANSWERS, CHANGED_CLAIMS
from tests.tenants.conftest import Bank, bank

__all__ = ["bank", "browser", "provider"]
FORGED = (*CHANGED_CLAIMS, "alg_none", "hs256_with_the_public_key", "wrong_key", "key_in_its_header", "unknown_kid",
          "half")  # fmt: skip


async def test_no_forged_token_signs_anybody_in(bank: Bank, browser: Browser, provider: RunningProvider) -> None:
    for how in FORGED:
        await provider.tell(behave=how)
        refused(await browser.to_page(), how)
    assert len(await reasons(bank, len(FORGED))) == len(FORGED)
    assert {each["detail"]["code"] for each in await bank.events("auth.sso_failed")} == {"sso_provider_invalid"}
    assert await bank.events("user.registered") == []
    await provider.tell(behave="")
    assert (await browser.me())["roles"] == ["agent"]


async def test_a_provider_that_is_away_or_talks_nonsense_is_a_clear_problem_and_comes_back(bank: Bank) -> None:
    """Nothing of it was read before: what went well is kept for some minutes. Why, the tenant's own people read."""
    async with running_provider() as fresh:
        await set_up(bank.api, bank.id, fresh, provisioning=True, **MAPPED)
        await fresh.next_user(groups=["desk"])
        browser = Browser(bank.api, bank.tenant.slug)
        wrong = (*ANSWERS, "other_issuer", "inside")
        for how in wrong:
            await fresh.tell(behave=f"discovery:{how}")
            refused(await browser.start(), how)
        assert {"status", "not_json", "other_issuer", "endpoints"} <= set(await reasons(bank, len(wrong)))
        await fresh.tell(behave="")
        for where in ("token", "jwks"):
            for how in (*ANSWERS, "hang") if where == "token" else ANSWERS:
                callback = await browser.to_callback()
                await fresh.tell(behave=f"{where}:{how}")
                refused(await browser.get(callback), how)
                await fresh.tell(behave="")
        me = await browser.me()
        await fresh.tell(rotate=True)
        assert (await browser.me())["id"] == me["id"]
    gone = await browser.start()
    assert gone.status_code == 303  # its document is known; the browser itself will see that it is away


def refused(answer: httpx.Response, how: str) -> None:
    """A problem that names the provider as the one at fault, and tells a stranger neither what it said nor why."""
    away = how in ("500", "hang")
    body = answer.json()
    expected = (503, "sso_provider_unavailable") if away else (502, "sso_provider_invalid")
    assert (answer.status_code, body["code"]) == expected, (how, answer.text)
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert not away or int(answer.headers["retry-after"]) > 0
    assert body["detail"] == CODES[body["code"]].help
    assert "maintenance" not in answer.text


async def test_a_state_is_good_once_in_its_browser_for_its_tenant(
    bank: Bank, browser: Browser, provider: RunningProvider
) -> None:
    callback = await browser.to_callback()
    stranger = Browser(bank.api, bank.tenant.slug)
    assert_problem(await stranger.get(callback), code="invalid_sso_state")
    assert_problem(await browser.get(callback), code="invalid_sso_state")  # the stranger's try has used it up
    callback = await browser.to_callback()
    assert (await browser.get(callback)).status_code == 303
    assert_problem(await browser.get(callback), code="invalid_sso_state")
    callback = await browser.to_callback()
    elsewhere = callback.replace(f"/{bank.tenant.slug}/", f"/{bank.api.demo['tenant']}x/")
    assert_problem(await browser.get(elsewhere), code="sso_not_configured")
    assert_problem(await browser.get(f"{callback}&iss=https://elsewhere.example"), code="invalid_sso_state")
    own = callback.partition("?")[0]
    for query in ("", "?state=x&code=y", "?state=&code=", f"?state={'x' * 4_000}&code=y"):
        assert_problem(await browser.get(own + query), code="invalid_sso_state", why=query)
    await provider.tell(behave="denies")
    assert_problem(await browser.to_page(), code="sso_refused")
    assert set(await reasons(bank, 9)) == {"invalid_sso_state", "sso_refused"}


async def test_a_flood_of_sign_ins_that_fail_is_few_events(bank: Bank, browser: Browser) -> None:
    """From somebody who has signed in nowhere, at both doors."""
    for n in range(40):
        await browser.get(f"/v1/auth/sso/{bank.tenant.slug}/callback?state=x{n}&code=y")
        await browser.get(f"/v1/auth/sso/{bank.tenant.slug}/start?challenge={'x' * 43}&return_to=https://{n}.example")
    assert len(await reasons(bank, 80)) == 80
    events = await bank.events("auth.sso_failed")
    assert {each["detail"]["code"] for each in events} == {"invalid_sso_state", "invalid_request"}
    assert len(events) < 40


async def test_the_others_state_continues_nothing_here(
    bank: Bank, browser: Browser, provider: RunningProvider, next_door: Api
) -> None:
    """A tenant that is hostile sends its own state, code and cookies to the callback of another one."""
    me = (await next_door.http.get("/v1/auth/me", headers=await next_door.staff("admin"))).json()
    await set_up(next_door, me["tenant_id"], provider, provisioning=True, **MAPPED)
    theirs = Browser(next_door, str(next_door.demo["tenant"]))
    callback = (await theirs.to_callback()).replace(f"/{theirs.slug}/", f"/{bank.tenant.slug}/")
    assert_problem(await theirs.get(callback), code="invalid_sso_state")
    assert await bank.events("user.registered") == []
    await change_sso(next_door, me["tenant_id"], None)


async def test_without_single_sign_on_every_tenant_answers_alike(bank: Bank, browser: Browser) -> None:
    unknown = Browser(bank.api, "no-such-bank")
    assert_problem(await unknown.start(), code="sso_not_configured")
    await change_sso(bank.api, bank.id, None)
    assert_problem(await browser.start(), code="sso_not_configured")


async def test_the_browser_is_sent_to_known_pages_only(bank: Bank, browser: Browser) -> None:
    for page in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x", "/a#b", "/a b", "",
                 "http://127.0.0.1:1/", f"{bank.api.url}@evil.example/"):  # fmt: skip
        assert_problem(await browser.start(return_to=page), code="invalid_request", why=page)
    for challenge in ("", "x", "x" * 44, "x" * 42 + "!"):
        assert_problem(await browser.start(challenge=challenge), code="invalid_request", why=challenge)
    for good in ("/chat?a=1", f"{bank.api.url}/chat"):
        assert (await browser.start(return_to=good)).status_code == 303


async def test_a_provider_on_this_machine_is_asked_only_where_the_operator_says_so() -> None:
    async with running_provider() as fresh:
        assert (await Providers(loopback=True).metadata(fresh.url)).token_endpoint == f"{fresh.url}/token"
        with pytest.raises(ProviderError):
            await Providers(loopback=False).metadata(fresh.url)
    for inside in ("http://10.0.0.1", "http://169.254.169.254", "https://10.0.0.1", "https://[::1]:8443"):
        with pytest.raises(ProviderError):
            await Providers(loopback=False).metadata(inside)
    with pytest.raises(ValueError, match="HELIOS_SSO_LOOPBACK"):
        open_providers(Settings(sso_loopback=True, public_url="https://service.bank.example"))
