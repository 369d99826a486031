"""The pages work without the internet, under a strict policy, in every language; no text ever becomes markup."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from api.pages import PAGE_CSP
from tests.web.chat_page import ChatPage
from tests.web.fake_api import FakeApi

WEB = Path(__file__).parents[2] / "web"
FILES = sorted(path for path in WEB.rglob("*") if path.suffix in {".html", ".js", ".css", ".svg"})
LANGUAGES = ["en", "de", "es", "fr", "ar", "tr"]
# An XML namespace is a name, never fetched.
NAMESPACE = "http://www.w3.org/2000/svg"
EXTERNAL = re.compile(r"""(?:https?:|wss?:)?//[a-z0-9][\w.-]*\.[a-z]{2,}""", re.IGNORECASE)
INTO_MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|setHTML"
    r"|\beval\(|new Function|\bsrcdoc\b"
)
INLINE = re.compile(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", re.IGNORECASE)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(WEB).as_posix())
def test_a_file_needs_nothing_from_elsewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace(NAMESPACE, "")
    assert EXTERNAL.search(text) is None
    assert INTO_MARKUP.search(text) is None
    if path.suffix == ".html":
        assert INLINE.search(text) is None


def test_there_is_something_to_look_at() -> None:
    names = {path.relative_to(WEB).as_posix() for path in FILES}
    assert {"chat.html", "chat.css", "chat.js", "widget.js", "widget/stream.js"} <= names


def test_the_policy_lets_nothing_in() -> None:
    assert "default-src 'self'" in PAGE_CSP
    assert "unsafe" not in PAGE_CSP
    assert "require-trusted-types-for 'script'" in PAGE_CSP


async def test_all_that_is_loaded_is_there_and_from_here(page: Page, api: FakeApi) -> None:
    loaded: list[tuple[str, int]] = []
    page.on("response", lambda response: loaded.append((response.url, response.status)))
    await ChatPage(page, api.url).open()
    assert all(url.startswith(api.url) for url, _ in loaded)
    assert [(url, status) for url, status in loaded if status >= 400] == []


TABLES = [("/widget/texts.js", "TEXTS"), ("/chat/texts.js", "PAGE_TEXTS")]


@pytest.mark.parametrize(("module", "table"), TABLES, ids=["widget", "page"])
async def test_every_language_has_every_text(page: Page, api: FakeApi, module: str, table: str) -> None:
    texts = await read_table(page, api, module, table)
    assert sorted(texts) == sorted(LANGUAGES)
    for language in LANGUAGES:
        assert texts[language].keys() == texts["en"].keys(), language
        for key, text in texts[language].items():
            assert text.strip(), (language, key)
            assert placeholders(text) == placeholders(texts["en"][key]), (language, key)


async def test_every_text_that_is_asked_for_is_there_and_every_text_is_asked_for(page: Page, api: FakeApi) -> None:
    widget = (await read_table(page, api, "/widget/texts.js", "TEXTS"))["en"].keys()
    source = "\n".join(path.read_text() for path in [*WEB.glob("widget/*.js"), WEB / "widget.js"])
    code = re.sub(r"export const TEXTS = \{.*?\n\};", "", source, flags=re.DOTALL)
    asked = set(re.findall(r"""say\(\s*"(\w+)\"""", code))
    assert asked <= widget
    quoted = set(re.findall(r'"(\w+)"', code))
    assert {key for key in widget if key not in quoted and not key.startswith("stage_")} == set()

    html = (WEB / "chat.html").read_text()
    chosen = set(re.findall(r'data-(?:text|label|ask)="(\w+)"', html))
    assert chosen == (await read_table(page, api, "/chat/texts.js", "PAGE_TEXTS"))["en"].keys()


async def test_every_stage_has_words(page: Page, api: FakeApi) -> None:
    texts = await read_table(page, api, "/widget/texts.js", "TEXTS")
    stages = {key.removeprefix("stage_") for key in texts["en"] if key.startswith("stage_")}
    assert stages == {"received", "screening", "intent", "retrieval", "generation", "review", "delivery"}


@pytest.mark.parametrize(
    ("locale", "launcher", "headline"),
    [
        ("de-CH", "Chatten Sie mit uns", "Eine Bank, die Kurs hält."),
        ("es-MX", "Chatee con nosotros", "Un banco que no pierde el norte."),
        ("fr-FR", "Discutez avec nous", "Une banque qui garde le cap."),
        ("ar-EG", "تحدث معنا", "بنك لا يفقد وجهته."),
        ("tr-TR", "Bize yazın", "Yönünü şaşırmayan bankacılık."),
        ("ja-JP", "Chat with us", "Banking that keeps its bearings."),
    ],
)
async def test_the_page_speaks_the_visitors_language(
    browser: Browser, api: FakeApi, locale: str, launcher: str, headline: str
) -> None:
    context = await browser.new_context(locale=locale)
    page = await context.new_page()
    chat = ChatPage(page, api.url)
    await page.goto(chat.url)
    await expect(chat.launcher).to_have_text(launcher)
    await expect(page.locator("h1")).to_have_text(headline)
    language = locale[:2] if locale[:2] in LANGUAGES else "en"
    await expect(page.locator("html")).to_have_attribute("lang", language)
    await expect(page.locator("html")).to_have_attribute("dir", "rtl" if language == "ar" else "ltr")
    await chat.launcher.click()
    await expect(chat.notices).to_have_count(1)
    # What the bank says first is in the customer's language, also where the page itself does not know it.
    assert api.called("POST", "/v1/conversations")[0].body["locale"] == locale
    await context.close()


HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "[click me](javascript:alert(1))",
    "![picture](https://evil.example/p.png)",
    "<a href='https://evil.example'>here</a>",
    "**<b>bold</b>** and [1] and [99]",
    "https://evil.example/login",
]


async def test_what_is_written_stays_text(page: Page, api: FakeApi) -> None:
    chat = await ChatPage(page, api.url).open()
    for n, text in enumerate(HOSTILE):
        await chat.sent(f"q{n} {text}")
        citation = {"marker": 1, "title": text, "quote": text, "url": "https://evil.example/", "source_id": "s"}
        api.complete(f"m{n}", text, citations=[citation])
        answer = chat.log.locator(f"[data-message-id=m{n}]")
        await expect(answer).to_have_attribute("data-state", "complete")
        await answer.locator("button.chip").click()
        await expect(answer.locator("blockquote")).to_have_text(text)
        await expect(chat.said.locator("p").last).to_have_text(f"q{n} {text}")
        shown = await answer.locator(".text").inner_text()
        assert shown == text.replace("**", "")
    assert await chat.log.locator("img, script, a, iframe, b").count() == 0


async def test_only_published_articles_are_linked(page: Page, api: FakeApi) -> None:
    chat = await ChatPage(page, api.url).open()
    await page.reload()
    article = "/help/meridian/en/atm-fees?version=2"
    elsewhere = ["https://evil.example/help/x", "//evil.example/help/x", "/help/../logout"]
    urls = [article, *elsewhere, "javascript:alert(1)", "/logout", "", None]
    for home in (api.url, "https://api.bank.example"):
        await page.evaluate(
            """async ([articles, urls]) => {
                const { Sources } = await import("/widget/passage.js");
                const { speaker } = await import("/widget/languages.js");
                const { TEXTS } = await import("/widget/texts.js");
                document.body.querySelector("#probe")?.remove();
                const probe = document.createElement("div");
                probe.id = "probe";
                document.body.append(probe);
                for (const url of urls) {
                    const sources = new Sources(document.createElement("p"), speaker(TEXTS, "en"), articles);
                    sources.set([{ marker: 1, title: "t", quote: "q", url }], true);
                    probe.append(sources.node);
                    sources.node.querySelector("button.chip").click();
                }
            }""",
            [f"{home}/help/", urls],
        )
        hrefs = await page.locator("#probe a").evaluate_all("links => links.map((link) => link.getAttribute('href'))")
        assert await page.locator("#probe blockquote").count() == len(urls)
        assert hrefs == [home + article]
    await expect(chat.panel).to_be_visible()


async def test_no_word_of_a_conversation_is_kept_in_the_browser(page: Page, api: FakeApi) -> None:
    chat = await ChatPage(page, api.url).open()
    await chat.sent("A secret between us")
    api.complete("m1", "Well kept.")
    await expect(chat.answers).to_contain_text("Well kept.")
    kept = await page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }])")
    assert "secret" not in kept
    assert "kept" not in kept
    assert "token" not in kept


async def read_table(page: Page, api: FakeApi, module: str, table: str) -> dict[str, dict[str, str]]:
    await page.goto(f"{api.url}/chat")
    read: Any = await page.evaluate(f"import('{module}').then((module) => module.{table})")
    return dict(read)


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))
