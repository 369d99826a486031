"""A browser, and a server that misbehaves on command."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, ConsoleMessage, Error, Page, ViewportSize

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


VIEWPORT = ViewportSize(width=1280, height=860)


@pytest.fixture(scope="session")
async def tab(browser: Browser) -> AsyncIterator[Page]:
    """One for all tests: a new process for each would take longer than most of what they do."""
    # What moves is drawn sixty times a second, without a graphics card: the test that is about motion asks for it.
    context = await browser.new_context(locale="en-US", viewport=VIEWPORT, reduced_motion="reduce")
    context.set_default_timeout(10_000)
    yield await context.new_page()
    await context.close()


@pytest.fixture
async def page(tab: Page, api: FakeApi) -> AsyncIterator[Page]:
    """The tab of somebody who was never here, in which nothing may go wrong: an uncaught error or a breach of the CSP
    fails the test.
    """
    faults: list[str] = []

    def fail(error: Error) -> None:
        faults.append(str(error))

    def listen(said: ConsoleMessage) -> None:
        if "Content Security Policy" in said.text:
            faults.append(said.text)

    tab.on("pageerror", fail)
    tab.on("console", listen)
    yield tab
    tab.remove_listener("pageerror", fail)
    tab.remove_listener("console", listen)
    await _forget(tab, api.url)
    assert faults == []


async def _forget(tab: Page, origin: str) -> None:
    """Nothing of a visit is left in the browser. From an empty page: one that goes away may still write."""
    await tab.unroute_all()
    await tab.route(f"{origin}/", lambda route: route.fulfill(body="", content_type="text/html"))
    await tab.goto(f"{origin}/")
    await tab.evaluate("sessionStorage.clear(), localStorage.clear()")
    await tab.context.clear_cookies()
    await tab.unroute_all()
    await tab.set_viewport_size(VIEWPORT)
