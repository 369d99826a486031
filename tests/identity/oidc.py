"""Starting the provider's process, and a browser that goes through a single sign-on."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from helios.settings import PROJECT
from tests.caller import Api
from tests.identity.oidc_provider import CLIENT_ID, CLIENT_SECRET, USER

PAGE = "/chat"


@dataclass(frozen=True, slots=True)
class RunningProvider:
    url: str
    http: httpx.AsyncClient

    async def tell(self, **told: Any) -> None:
        assert (await self.http.post("/control", json=told)).status_code == 200

    async def next_user(self, **claims: Any) -> None:
        user = {name: value for name, value in {**USER, **claims}.items() if value is not None}
        await self.tell(user=user)


@asynccontextmanager
async def running_provider() -> AsyncIterator[RunningProvider]:
    """It ends when its standard input does, so also when the tests are killed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.identity.oidc_provider"),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=PROJECT,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    try:
        async with httpx.AsyncClient(base_url=url, timeout=20) as http:
            yield RunningProvider(url, http)
    finally:
        process.stdin.close()
        await process.wait()


@dataclass(slots=True)
class Browser:
    """One browser: it keeps cookies, and stops before each page to look at the address."""

    api: Api
    slug: str
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    cookies: httpx.Cookies = field(default_factory=httpx.Cookies)

    async def get(self, url: str, **params: str) -> httpx.Response:
        async with httpx.AsyncClient(base_url=self.api.url, cookies=self.cookies, timeout=20) as http:
            answer = await http.get(url, params=params or None)
            self.cookies = http.cookies
        return answer

    async def start(self, **params: str) -> httpx.Response:
        challenge = create_s256_code_challenge(self.verifier)
        return await self.get(
            f"/v1/auth/sso/{self.slug}/start", **{"challenge": challenge, "return_to": PAGE, **params}
        )

    async def to_callback(self) -> str:
        """The address at which the provider sends the browser back to us."""
        started = await self.start()
        assert started.status_code == 303, started.text
        granted = await self.get(started.headers["location"])
        assert granted.status_code == 302, granted.text
        return granted.headers["location"]

    async def to_page(self) -> httpx.Response:
        """The answer that sends the browser to its page, or the problem."""
        return await self.get(await self.to_callback())

    async def exchange(self, code: str, **more: str) -> httpx.Response:
        body = {"code": code, "verifier": self.verifier, **more}
        return await self.api.http.post("/v1/auth/sso/token", json=body)

    async def sign_in(self) -> dict[str, Any]:
        answer = await self.exchange(code_of(await self.to_page()))
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens

    async def me(self) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {(await self.sign_in())['access_token']}"}
        found: dict[str, Any] = (await self.api.http.get("/v1/auth/me", headers=headers)).json()
        return found


def code_of(answer: httpx.Response) -> str:
    assert answer.status_code == 303, answer.text
    return parse_qs(urlsplit(answer.headers["location"]).fragment)["sso_code"][0]


async def set_up(api: Api, tenant_id: Any, provider: RunningProvider, **sso: Any) -> None:
    """As the tenant's admin would: the setting, then the secret."""
    await change_sso(api, tenant_id, {"issuer": provider.url, "client_id": CLIENT_ID, **sso})
    secret = await api.http.put(
        f"/v1/tenants/{tenant_id}/sso/client-secret",
        json={"client_secret": CLIENT_SECRET},
        headers=await api.staff("admin"),
    )
    assert secret.status_code == 204, secret.text


async def change_sso(api: Api, tenant_id: Any, sso: dict[str, Any] | None) -> httpx.Response:
    path, headers = f"/v1/tenants/{tenant_id}/settings", await api.staff("admin")
    etag = (await api.http.get(path, headers=headers)).headers["etag"]
    changed = await api.http.patch(path, json={"sso": sso}, headers={**headers, "If-Match": etag})
    assert changed.status_code == 200, changed.text
    return changed
