"""A browser, and a server that misbehaves on command."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, BrowserContext, Page

from tests.browser import chromium
from tests.web.fake_api import FakeApi, free_port


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as launched:
        yield launched


@pytest.fixture(scope="session")
async def fake_server() -> AsyncIterator[FakeApi]:
    server = FakeApi(free_port())
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def api(fake_server: FakeApi) -> AsyncIterator[FakeApi]:
    """A server that has never heard of anybody, and answers as it should until told otherwise."""
    fake_server.forget()
    yield fake_server
    fake_server.cut()


@pytest.fixture
async def api_url(api: FakeApi) -> str:
    return api.url


@pytest.fixture
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    opened = await browser.new_context(locale="en-US", viewport={"width": 1280, "height": 860})
    opened.set_default_timeout(10_000)
    yield opened
    await opened.close()


@pytest.fixture
async def page(context: BrowserContext) -> AsyncIterator[Page]:
    """A tab in which nothing may go wrong: an uncaught error or a breach of the CSP fails the test."""
    opened = await context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None)
    yield opened
    assert faults == []
