"""The chat by keyboard, by screen reader, in the dark, on a small screen, from right to left."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.web.chat_page import ChatPage
from tests.web.fake_api import FakeApi

CITATION = {"marker": 1, "source_id": "s1", "version": 1, "chunk_id": "c1", "title": "ATM fees", "quote": "It is free."}
# Pairs of the stylesheet's colours that stand on each other, foreground first.
PAIRS = [
    ("ink", "surface"),
    ("ink", "canvas"),
    ("ink", "tint"),
    ("ink", "warm-tint"),
    ("ink", "bad-tint"),
    ("muted", "surface"),
    ("muted", "canvas"),
    ("link", "surface"),
    ("link", "canvas"),
    ("link", "tint"),
    ("on-accent", "accent"),
    ("warm", "warm-tint"),
    ("warm", "canvas"),
    ("bad", "canvas"),
    ("bad", "surface"),
    ("bad", "bad-tint"),
]


@pytest.fixture
async def chat(page: Page, api_url: str) -> ChatPage:
    return await ChatPage(page, api_url).open()


async def test_opening_and_closing_moves_the_focus_where_one_goes_on(chat: ChatPage) -> None:
    await expect(chat.input).to_be_focused()
    await chat.page.keyboard.press("Escape")
    await expect(chat.panel).to_be_hidden()
    await expect(chat.launcher).to_be_focused()
    await chat.page.keyboard.press("Enter")
    await expect(chat.input).to_be_focused()


async def test_everything_is_done_by_keyboard(chat: ChatPage, api: FakeApi) -> None:
    keyboard = chat.page.keyboard
    await keyboard.type("Line one")
    await keyboard.press("Shift+Enter")
    await keyboard.type("Line two")
    await keyboard.press("Enter")
    await expect(chat.said.locator("p")).to_have_text("Line one\nLine two", use_inner_text=True)
    await expect(chat.input).to_have_value("")
    api.complete("m1", "Free [1].", citations=[CITATION])
    await expect(chat.answers.locator("button.marker")).to_be_visible()
    reached = [await tab(chat.page, "Shift+Tab") for _ in range(8)]
    labels = [each for each in reached if each]
    assert "Source 1: ATM fees" in labels
    assert "This helped" in labels
    assert "Minimise chat" in labels


async def test_a_source_opens_and_closes_by_key(chat: ChatPage, api: FakeApi) -> None:
    await chat.sent("Hello")
    api.complete("m1", "Free [1].", citations=[CITATION])
    marker = chat.answers.locator("button.marker")
    await marker.focus()
    await chat.page.keyboard.press("Enter")
    passage = chat.answers.get_by_role("region", name="Quoted passage from ATM fees")
    await expect(passage.locator("blockquote")).to_have_text("It is free.")
    await expect(marker).to_have_attribute("aria-expanded", "true")
    await chat.page.keyboard.press("Escape")
    await expect(passage).to_have_count(0)
    await expect(marker).to_be_focused()
    await expect(chat.panel).to_be_visible()


async def test_an_opened_source_follows_its_button_and_does_not_push_it_away(chat: ChatPage, api: FakeApi) -> None:
    await chat.page.set_viewport_size({"width": 380, "height": 560})
    await chat.sent("Hello")
    article = {**CITATION, "quote": "It is free. " * 30, "url": "/help/meridian/en/atm-fees?version=1"}
    api.complete("m1", "Free [1].", citations=[article])
    chip = chat.answers.locator("button.chip")
    await chip.focus()
    await chat.page.keyboard.press("Enter")
    await expect(chip).to_be_in_viewport(ratio=1)
    await expect(chat.answers.locator(".passage header")).to_be_in_viewport(ratio=1)
    await chat.page.keyboard.press("Tab")
    await expect(chat.answers.locator(".passage button")).to_be_focused()
    link = chat.answers.get_by_role("link", name="Read the whole article")
    await expect(link).to_have_attribute("href", f"{api.url}/help/meridian/en/atm-fees?version=1")


async def test_an_input_method_uses_enter_for_itself(chat: ChatPage, api: FakeApi) -> None:
    await chat.input.fill("にほん")
    await chat.input.evaluate(
        "node => node.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true }))"
    )
    await expect(chat.input).to_have_value("にほん")
    assert api.called("POST", "/messages") == []


async def test_an_answer_is_read_out_once_and_whole(chat: ChatPage, api: FakeApi) -> None:
    await expect(chat.log).to_have_attribute("aria-live", "off")
    await expect(chat.spoken).to_contain_text("You are chatting with the AI assistant")
    await chat.sent("Hello")
    for n, word in enumerate(["One ", "two ", "three."], start=1):
        api.delta("m1", n, word)
        await expect(chat.answers).to_contain_text(word.strip())
        assert "One" not in await chat.spoken.inner_text()
    api.complete("m1", "One two three.")
    await expect(chat.spoken.get_by_text("AI assistant: One two three.")).to_have_count(1)
    api.say("By the way.")
    await expect(chat.spoken.get_by_text("Notice: By the way.")).to_have_count(1)
    await expect(chat.spoken.get_by_text("One two three.")).to_have_count(1)


async def test_a_person_takes_over_and_gives_back(chat: ChatPage, api: FakeApi) -> None:
    await chat.chat.get_by_role("button", name="Talk to a person").click()
    api.escalation("opened", due_at="2026-11-24T15:00:00+00:00", due_zone="America/New_York")
    api.emit("conversation.updated", {"status": "waiting_human"})
    banner = chat.chat.locator(".banner")
    await expect(banner).to_contain_text("Reply by 24 Nov 2026, 10:00 (EST)")
    await expect(chat.panel.locator("header.top")).to_contain_text("Waiting for a person")
    await expect(chat.spoken).to_contain_text("A person will take over")
    await expect(chat.chat.get_by_role("button", name="Talk to a person")).to_have_count(0)

    api.escalation("claimed", "claimed", agent_display_name="Maria Keller")
    api.emit("conversation.updated", {"status": "with_agent"})
    await expect(banner).to_be_hidden()
    await expect(chat.log).to_contain_text("Maria Keller joined the chat")
    await expect(chat.panel.locator("header.top")).to_contain_text("Maria Keller")
    api.emit("agent.typing", {"agent_display_name": "Maria Keller"})
    await expect(chat.status).to_have_text("Maria Keller is typing…")
    api.say("Hello, this is Maria.", role="agent")
    await expect(chat.status).to_have_count(0)
    await expect(chat.log.locator(".message.agent .author")).to_have_text("Maria Keller")

    api.escalation("closed", "closed")
    api.emit("conversation.updated", {"status": "active"})
    await expect(chat.panel.locator("header.top")).to_contain_text("AI assistant")
    await expect(chat.chat.get_by_role("button", name="Talk to a person")).to_be_enabled()


async def test_what_is_written_while_a_person_is_awaited_is_said_to_be_read(chat: ChatPage, api: FakeApi) -> None:
    await chat.sent("Agent, please")
    api.escalation("opened", due_at="2026-11-24T15:00:00+00:00")
    api.emit("conversation.updated", {"status": "waiting_human"})
    api.complete("m1", "I am passing you on to a person.", outcome="escalated")
    await expect(chat.status).to_have_count(0)
    await chat.sent("It is about my card.")
    api.end_turn("escalated")
    await expect(chat.status).to_have_text("Received. The person who takes over will read it.")
    await expect(chat.spoken.get_by_text("The person who takes over will read it.")).to_have_count(1)
    await expect(chat.chat.locator(".dots")).to_be_hidden()

    api.escalation("claimed", "claimed", agent_display_name="Maria Keller")
    await expect(chat.status).to_have_count(0)
    await expect(chat.panel.locator("header.top")).to_contain_text("Maria Keller")


async def test_being_late_is_admitted(chat: ChatPage, api: FakeApi) -> None:
    api.escalation("opened", due_at=datetime.now(UTC).isoformat())
    api.escalation("sla_breached", due_at=datetime.now(UTC).isoformat())
    await expect(chat.chat.locator(".banner")).to_contain_text("We are later than promised")


async def test_ending_asks_first_and_offers_a_new_beginning(chat: ChatPage, api: FakeApi) -> None:
    await chat.sent("Hello")
    await chat.chat.get_by_role("button", name="End chat").click()
    question = chat.chat.get_by_role("group", name="Do you want to end this chat?")
    await expect(question.get_by_role("button", name="End chat")).to_be_focused()
    await chat.page.keyboard.press("Escape")
    await expect(chat.input).to_be_focused()
    assert api.called("POST", "/close") == []
    await chat.chat.get_by_role("button", name="End chat").click()
    await question.get_by_role("button", name="End chat").click()
    start = chat.chat.get_by_role("button", name="Start a new chat")
    await expect(start).to_be_focused()
    await expect(chat.input).to_have_count(0)
    await start.click()
    await expect(chat.said).to_have_count(0)
    await chat.sent("Hello again")
    assert len(api.created_by) == 2


async def test_a_minimised_chat_tells_of_what_is_new(chat: ChatPage, api: FakeApi) -> None:
    await chat.sent("Hello")
    await chat.chat.get_by_role("button", name="Minimise chat").click()
    api.complete("m1", "Good day.")
    await expect(chat.launcher).to_contain_text("1 new")
    await chat.launcher.click()
    await expect(chat.answers).to_contain_text("Good day.")
    await chat.chat.get_by_role("button", name="Minimise chat").click()
    await expect(chat.launcher).to_have_text("Chat with us")


async def test_the_counter_comes_near_the_end_and_counts_as_the_server_does(chat: ChatPage, api: FakeApi) -> None:
    count = chat.chat.locator("#count")
    await chat.input.fill("x" * 7_499)
    await expect(count).to_have_text("")
    await chat.input.fill("👋" * 7_990)
    await expect(count).to_have_text("10 characters left")
    await chat.input.fill("x" * 8_003)
    await expect(count).to_have_text("3 characters too many")
    await expect(chat.input).to_have_attribute("aria-invalid", "true")
    await expect(chat.chat.get_by_role("button", name="Send message")).to_be_disabled()
    await chat.input.press("Enter")
    await expect(chat.said).to_have_count(0)
    await chat.input.fill("x" * 8_000)
    await chat.input.press("Enter")
    await expect(chat.said).to_have_attribute("data-state", "sent")


async def test_blank_text_is_not_sent(chat: ChatPage, api: FakeApi) -> None:
    await chat.input.fill("  \n ")
    await chat.input.press("Enter")
    await expect(chat.chat.get_by_role("button", name="Send message")).to_be_disabled()
    assert api.called("POST", "/messages") == []


async def test_every_control_has_a_name(chat: ChatPage, api: FakeApi) -> None:
    await chat.sent("Hello")
    api.stage("generation")
    api.delta("m1", 1, "Free [1].")
    api.say("Free [1].", role="assistant", outcome="answered", citations=[CITATION])
    await expect(chat.answers.locator("button.chip")).to_be_visible()
    nameless = await chat.page.evaluate(
        """() => {
            const root = document.querySelector("helios-chat").shadowRoot;
            const name = (node) =>
                node.getAttribute("aria-label") || [...(node.labels ?? [])].map((each) => each.textContent).join("") ||
                node.textContent;
            return [...document.querySelectorAll("button, a"), ...root.querySelectorAll("button, a, textarea")]
                .filter((node) => name(node).trim() === "").map((node) => node.outerHTML);
        }"""
    )
    assert nameless == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_words_stand_out_from_what_they_stand_on(browser: Browser, api: FakeApi, scheme: Any) -> None:
    """WCAG 2.2 AA: 4.5 to 1, for every pair of colours, in both schemes."""
    context = await browser.new_context(color_scheme=scheme)
    page = await context.new_page()
    await page.goto(f"{api.url}/chat")
    names = sorted({name for pair in PAIRS for name in pair})
    colours = await page.locator("helios-chat").evaluate(
        "(node, names) => names.map((name) => getComputedStyle(node).getPropertyValue(`--${name}`).trim())", names
    )
    values = dict(zip(names, colours, strict=True))
    for front, back in PAIRS:
        assert contrast(values[front], values[back]) >= 4.5, (scheme, front, back)
    await context.close()


@pytest.mark.parametrize(("width", "height"), [(360, 640), (320, 568), (768, 1024), (1920, 1080)])
async def test_nothing_sticks_out_on_any_screen(browser: Browser, api: FakeApi, width: int, height: int) -> None:
    context = await browser.new_context(viewport={"width": width, "height": height}, locale="de-DE")
    page = await context.new_page()
    chat = await ChatPage(page, api.url).open()
    await chat.sent("W" * 300)
    citation = {**CITATION, "title": "Ein sehr langer Titel " * 10}
    api.complete("m1", f"{'Donaudampfschifffahrtsgesellschaft' * 8} [1]", citations=[citation])
    api.escalation("opened", due_at=datetime.now(UTC).isoformat())
    await chat.answers.locator("button.chip").click()
    await expect(chat.answers.locator("blockquote")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await chat.log.evaluate("node => node.scrollWidth <= node.clientWidth")
    box = await chat.panel.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["y"] >= 0
    assert box["x"] + box["width"] <= width
    assert box["y"] + box["height"] <= height
    await context.close()


async def test_a_wide_table_is_scrolled_in_its_message(chat: ChatPage, api: FakeApi) -> None:
    await chat.page.set_viewport_size({"width": 360, "height": 640})
    await chat.sent("Which fees?")
    heads = " | ".join(f"Column {n}" for n in range(8))
    api.complete("m1", f"| {heads} |\n|{'---|' * 8}\n| {heads} |")
    table = chat.answers.locator(".table")
    await expect(table.locator("td")).to_have_count(8)
    assert await table.evaluate("node => node.scrollWidth > node.clientWidth")
    assert await chat.log.evaluate("node => node.scrollWidth <= node.clientWidth")
    await table.focus()
    await expect(table).to_be_focused()


async def test_the_field_of_an_arabic_page_begins_on_the_right(browser: Browser, api: FakeApi) -> None:
    context = await browser.new_context(locale="ar")
    chat = await ChatPage(await context.new_page(), api.url).open()
    await expect(chat.input).to_have_css("direction", "rtl")
    await chat.input.fill("Hello")
    await expect(chat.input).to_have_css("direction", "ltr")
    await context.close()


async def test_text_runs_as_its_own_script_does(chat: ChatPage, api: FakeApi) -> None:
    await chat.sent("مرحبا")
    api.complete("m1", "שלום\n\n- אחת\n\nHello", language="he")
    await expect(chat.answers.locator(".text p")).to_have_count(2)
    directions = await chat.log.evaluate(
        """log => [...log.querySelectorAll(".customer p, .assistant .text > *")]
            .map((node) => getComputedStyle(node).direction)"""
    )
    assert directions == ["rtl", "rtl", "rtl", "ltr"]
    await expect(chat.answers).to_have_attribute("lang", "he")


async def test_an_arabic_chat_runs_from_right_to_left(browser: Browser, api: FakeApi) -> None:
    """The customer's bubble is where the line ends: on the left. Only its corner is the page's to say."""
    context = await browser.new_context(locale="ar-EG")
    chat = await ChatPage(await context.new_page(), api.url).open()
    await expect(chat.page.locator("html")).to_have_attribute("dir", "rtl")
    await expect(chat.panel).to_have_css("direction", "rtl")
    await chat.sent("Hello")
    api.complete("m1", "Hello مرحبا")
    panel, bubble, answer = [
        await place.bounding_box() for place in (chat.panel, chat.said.locator(".text"), chat.answers.locator(".text"))
    ]
    assert panel is not None
    assert bubble is not None
    assert answer is not None
    assert panel["x"] < 100
    assert bubble["x"] - panel["x"] < 40 < panel["x"] + panel["width"] - bubble["x"] - bubble["width"]
    assert panel["x"] + panel["width"] - answer["x"] - answer["width"] < 40
    assert api.called("POST", "/v1/conversations")[0].body["locale"] == "ar-EG"
    await chat.page.evaluate("document.documentElement.dir = 'ltr'")
    box = await chat.panel.bounding_box()
    assert box is not None
    assert box["x"] > 800
    await expect(chat.panel).to_have_css("direction", "rtl")
    await context.close()


async def test_right_to_left_pages_mirror_the_panel(chat: ChatPage) -> None:
    await chat.page.evaluate("document.documentElement.dir = 'rtl'")
    box = await chat.panel.bounding_box()
    assert box is not None
    assert box["x"] < 100


@pytest.mark.parametrize(("motion", "moves"), [("reduce", False), ("no-preference", True)])
async def test_nothing_moves_for_those_who_asked_for_it(
    browser: Browser, api: FakeApi, motion: Any, moves: bool
) -> None:
    context = await browser.new_context(reduced_motion=motion)
    chat = await ChatPage(await context.new_page(), api.url).open()
    await chat.sent("Hello")
    await expect(chat.chat.locator(".dots")).to_be_visible()
    names = await chat.panel.evaluate(
        """panel => [panel, ...panel.querySelectorAll(".message, .dots i")]
            .map((node) => getComputedStyle(node).animationName)"""
    )
    assert any(name != "none" for name in names) == moves
    await context.close()


async def tab(page: Page, key: str) -> str | None:
    """Presses the key and returns the name of what has the focus then."""
    await page.keyboard.press(key)
    name: str | None = await page.evaluate(
        """() => {
            const node = document.querySelector("helios-chat").shadowRoot.activeElement;
            return node?.getAttribute("aria-label") ?? node?.innerText?.trim() ?? null;
        }"""
    )
    return name


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2.2 § 1.4.3."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb`, as WCAG 2.2 defines it."""
    match = re.fullmatch(r"#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})", colour.lower())
    assert match is not None, colour
    channels = [int(part, 16) / 255 for part in match.groups()]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
