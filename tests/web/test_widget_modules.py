"""Parts of the widget on their own, in the browser that runs them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from activities.promises import spoken
from helios.tenant_settings import OfficeHours
from tests.web.fake_api import FakeApi

STREAM = (
    ": hello\n\n"
    "id: 1.0\nevent: message.accepted\ndata: {}\n\n"
    "id: 1.1\r\nevent: message.delta\r\ndata: a\r\ndata:b\r\n\r\n"
    "retry: 5\revent: x\rdata: c\r\r"
    "data\n\n"
    "id: 2.1\n\n"
    "data: with id\nunknown: field\n\n"
    "event: lost\ndata: never ended"
)
EVENTS = [
    {"id": "1.0", "type": "message.accepted", "data": "{}"},
    {"id": "1.1", "type": "message.delta", "data": "a\nb"},
    {"id": "1.1", "type": "x", "data": "c"},
    {"id": "1.1", "type": "message", "data": ""},
    {"id": "2.1", "type": "message", "data": "with id"},
]


@pytest.fixture
async def modules(page: Page, api: FakeApi) -> Page:
    await page.goto(f"{api.url}/chat")
    return page


async def test_events_are_the_same_however_the_stream_is_cut(modules: Page) -> None:
    """In two at every place, and into single characters."""
    parsed: list[Any] = await modules.evaluate(
        """async (stream) => {
            const { EventParser } = await import("/widget/stream.js");
            const parse = (chunks) => {
                const parser = new EventParser();
                return chunks.flatMap((chunk) => parser.push(chunk));
            };
            const places = [...Array(stream.length + 1).keys()];
            const halves = places.map((at) => parse([stream.slice(0, at), stream.slice(at)]));
            return [...halves, parse([...stream])];
        }""",
        STREAM,
    )
    assert len(parsed) == len(STREAM) + 2
    assert all(events == EVENTS for events in parsed)


BLOCKS = [
    ("One.\nTwo.\n\nThree.", [["p", ["One.\nTwo."]], ["p", ["Three."]]]),
    ("- a\n- b\n\n- c", [["ul", ["a", "b", "c"]]]),
    ("1. a\n2) b", [["ol", ["a", "b"]]]),
    ("Do:\n* a\n  more\nThen 3.50.", [["p", ["Do:"]], ["ul", ["a\nmore"]], ["p", ["Then 3.50."]]]),
    ("3.50 dollars", [["p", ["3.50 dollars"]]]),
    ("-5 percent", [["p", ["-5 percent"]]]),
    (
        "# Fees\nAll of them.\n## More ##\n# Again",
        [["h3", ["Fees"]], ["p", ["All of them."]], ["h3", ["More"]], ["h3", ["Again"]]],
    ),
    ("#1 is no heading", [["p", ["#1 is no heading"]]]),
    ("| no | table |", [["p", ["| no | table |"]]]),
    ("One | two\nthree", [["p", ["One | two\nthree"]]]),
    ("Fees:\n| a | b |\n|---|--:|\n| 1 | 2 |\nEnd.", [["p", ["Fees:"]], ["table", []], ["p", ["End."]]]),
    ("", []),
    ("\r\n\r\n", []),
]


async def test_paragraphs_and_lists(modules: Page) -> None:
    parsed = await modules.evaluate(
        """async (texts) => {
            const { parseBlocks } = await import("/widget/markdown.js");
            return texts.map((text) => parseBlocks(text).map(({ tag, items }) => [tag, items]));
        }""",
        [text for text, _ in BLOCKS],
    )
    assert parsed == [blocks for _, blocks in BLOCKS]


RENDER = """async (parts) => {
    const { RichText } = await import("/widget/markdown.js");
    const { element } = await import("/widget/dom.js");
    const rich = new RichText((number) => (number <= 2 ? element("button", {}, `[${number}]`) : null));
    const shown = [];
    let text = "";
    for (const part of parts) {
        text += part;
        rich.render(text, { isGrowing: true, version: 1 });
        shown.push(rich.node.textContent);
    }
    rich.render(text, { isGrowing: false, version: 2 });
    const tags = [...rich.node.querySelectorAll("*")].map((node) => node.localName);
    return { shown, final: rich.node.textContent, tags };
}"""


async def test_half_arrived_markup_is_never_seen(modules: Page) -> None:
    text = "It costs **3.50 dollars** [1]. See **more [2] here** [3]."
    rendered = await modules.evaluate(RENDER, list(text))
    assert rendered["final"] == "It costs 3.50 dollars [1]. See more [2] here [3]."
    assert rendered["tags"] == ["p", "strong", "button", "strong", "button"]
    for shown in rendered["shown"]:
        assert "*" not in shown
        assert rendered["final"].startswith(shown)


TABLE = (
    "# Fees\n\n| What | `Fee` |\n|:---|---:|\n| **Cash** abroad [1] | 3.50 |\n| a \\| b | <b>0</b> |\n\n"
    "Use `PAY **now**`."
)


async def test_a_table_a_heading_and_code_are_shown_as_such(modules: Page) -> None:
    """Never as the signs that make them, also while they arrive."""
    rendered = await modules.evaluate(RENDER, list(TABLE))
    assert rendered["final"] == "FeesWhatFeeCash abroad [1]3.50a | b<b>0</b>Use PAY **now**."
    cells = ["tr", "th", "th", "code", "tbody", "tr", "td", "strong", "button", "td", "tr", "td", "td"]
    assert rendered["tags"] == ["h3", "div", "table", "thead", *cells, "p", "code"]
    for shown in rendered["shown"]:
        assert "#" not in shown
        assert "`" not in shown
        assert "---" not in shown
        assert rendered["final"].startswith(shown.rstrip("\\"))


async def test_a_growing_text_keeps_the_nodes_of_what_stands(modules: Page) -> None:
    """Or a selection would be lost with every word."""
    kept = await modules.evaluate(
        """async () => {
            const { RichText } = await import("/widget/markdown.js");
            const rich = new RichText(() => null);
            rich.render("First.\\n\\nSecond", { isGrowing: true, version: 1 });
            const before = rich.node.firstChild;
            rich.render("First.\\n\\nSecond grows.\\n\\nThird.", { isGrowing: true, version: 1 });
            return [rich.node.firstChild === before, rich.node.children.length];
        }"""
    )
    assert kept == [True, 3]


async def test_a_random_id_is_a_uuid_without_tls_too(modules: Page) -> None:
    ids = await modules.evaluate(
        """async () => {
            const { newId } = await import("/widget/ids.js");
            Object.defineProperty(crypto, "randomUUID", { value: undefined });
            return [newId(), newId()];
        }"""
    )
    assert len(set(ids)) == 2
    for made in ids:
        assert len(made) == 36
        assert made[14] == "4"
        assert made[19] in "89ab"


async def test_a_deadline_reads_as_in_the_messages_of_the_bank(modules: Page) -> None:
    """In every language and month, also where the clock is an hour further."""
    moments = [datetime(2026, month, 24, 15, tzinfo=UTC) for month in range(1, 13)]
    hours = OfficeHours(zone="America/New_York")
    languages = ("en", "de", "es", "fr", "ar", "tr")
    written = await modules.evaluate(
        """async ([languages, moments, zone]) => {
            const { deadline } = await import("/widget/times.js");
            return languages.flatMap((each) => moments.map((moment) => deadline(new Date(moment), each, zone)));
        }""",
        [languages, [moment.isoformat() for moment in moments], hours.zone],
    )
    assert written == [spoken(moment, language, hours) for language in languages for moment in moments]


async def test_a_deadline_without_a_zone_names_the_customers_own(browser: Browser, api: FakeApi) -> None:
    context = await browser.new_context(locale="fr-FR", timezone_id="Europe/Paris")
    page = await context.new_page()
    await page.goto(f"{api.url}/chat")
    written = await page.evaluate(
        """async () => {
            const { deadline } = await import("/widget/times.js");
            return deadline(new Date("2026-11-24T15:00:00Z"), "fr", null);
        }"""
    )
    assert written == "24 nov. 2026, 16:00 (CET)"
    await context.close()
