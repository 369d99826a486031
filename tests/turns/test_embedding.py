"""The widget on a bank's own site, of another origin: as docs/embedding.md says, under the policy that it names."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import httpx
import pytest
import uvicorn
from playwright.async_api import Browser, Locator, Page, expect
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from helios.database import Database
from tests.browser import chromium
from tests.caller import Api
from tests.web.fake_api import free_port

ALLOW = text(
    "UPDATE tenants SET settings = jsonb_set(settings, '{allowed_origins}', CAST(:origins AS jsonb)) WHERE id = :id"
)
FORGET = text("UPDATE tenants SET settings = settings - 'allowed_origins' WHERE id = :id")
READ_AGAIN_WITHIN_S = 20


def site(api: Api) -> Starlette:
    """The bank's page and its backend, which alone has the API key."""
    policy = f"default-src 'none'; script-src {api.url}; connect-src 'self' {api.url}"
    page = (
        f'<!doctype html><html lang="en"><title>A bank</title><script type="module" src="{api.url}/widget.js"></script>'
        '<helios-chat bank-name="A Bank" token-url="/chat-session"></helios-chat>'
    )

    async def home(_: Request) -> Response:
        return HTMLResponse(page, headers={"Content-Security-Policy": policy})

    async def chat_session(_: Request) -> Response:
        async with httpx.AsyncClient() as client:
            answer = await client.post(
                f"{api.url}/v1/customer-tokens",
                headers={"X-API-Key": api.demo["api_key"]},
                json={"external_id": "customer-of-the-site"},
            )
        return JSONResponse({key: answer.json()[key] for key in ("access_token", "expires_in")})

    return Starlette(routes=[Route("/", home), Route("/chat-session", chat_session, methods=["POST"])])


@asynccontextmanager
async def serving(app: Starlette) -> AsyncIterator[str]:
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", lifespan="off"))
    running = asyncio.create_task(server.serve())
    async with asyncio.timeout(10):
        while not server.started:
            await asyncio.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await running


@pytest.fixture
async def origin(api: Api) -> AsyncIterator[str]:
    async with serving(site(api)) as opened:
        yield opened


@pytest.fixture
async def allowed(api: Api, origin: str, database: Database, tenant_id: UUID) -> AsyncIterator[str]:
    """The site's origin, once the API knows that the tenant allows it."""
    async with database.tenant(tenant_id) as connection:
        await connection.execute(ALLOW, {"origins": json.dumps([origin]), "id": tenant_id})
    asks = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    async with asyncio.timeout(READ_AGAIN_WITHIN_S):
        while (await api.http.options("/v1/conversations", headers=asks)).status_code != 204:
            await asyncio.sleep(0.5)
    yield origin
    async with database.tenant(tenant_id) as connection:
        await connection.execute(FORGET, {"id": tenant_id})


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as launched:
        yield launched


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A tab in which no error goes by unseen and the page's policy is not breached."""
    opened = await browser.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None)
    yield opened
    assert faults == []


async def asked(page: Page, url: str) -> Locator:
    await page.goto(url)
    chat = page.locator("helios-chat")
    await chat.locator("button.launcher").click()
    await chat.locator("textarea").fill("What does it cost to send money abroad?")
    await chat.locator("textarea").press("Enter")
    return chat


async def test_the_widget_answers_on_a_page_of_another_origin(page: Page, api: Api, allowed: str) -> None:
    chat = await asked(page, allowed)
    answer = chat.locator(".message.assistant").last
    await expect(answer).to_have_attribute("data-state", "complete", timeout=30_000)
    await expect(answer).to_contain_text("5 dollars")
    await answer.locator("button.chip").first.click()
    link = answer.get_by_role("link")
    assert (await link.get_attribute("href") or "").startswith(f"{api.url}/help/meridian/en/")
    async with page.context.expect_page() as opened:
        await link.click()
    article = await opened.value
    await expect(article.get_by_role("heading", level=1)).to_have_text("Sending money abroad")


async def test_a_page_of_an_origin_that_nobody_allowed_reads_nothing(page: Page, origin: str) -> None:
    chat = await asked(page, origin)
    await expect(chat.locator(".message.customer").last).not_to_have_attribute("data-state", "sent")
    await expect(chat.locator(".connection")).to_be_visible()
    assert await chat.locator(".message.assistant").count() == 0
