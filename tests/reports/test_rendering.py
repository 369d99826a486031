"""What is handed over: a spreadsheet that runs nothing, a page that shows text as text."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from helios.reports.asked import Asked
from helios.reports.catalogue import REPORTS
from helios.reports.making import Made
from helios.reports.rendering import as_csv, as_html, as_json
from tests.browser import chromium

NAME = '=HYPERLINK("http://x.example","<script>alert(1)</script>")'
MEDIA: tuple[tuple[Literal["screen", "print"], int], ...] = (("screen", 1280), ("print", 1032))
CUT_OFF = "() => document.querySelector('table').scrollWidth - document.querySelector('main').clientWidth"
WHEN = datetime(2026, 10, 1, tzinfo=UTC)


def made() -> Made:
    report = REPORTS["access_review"]
    row = dict.fromkeys(report.columns) | {"name": NAME, "access": ["agent", "auditor"], "second_factor": True}
    return Made(report, "Bank & Co", Asked(WHEN, WHEN, WHEN, settled=True), [row], "ab" * 32)


def test_a_spreadsheet_takes_no_cell_for_a_formula() -> None:
    (row,) = csv.DictReader(io.StringIO(as_csv(made())))
    assert row["name"] == f"'{NAME}"
    assert (row["access"], row["second_factor"], row["last_used_at"]) == ("agent; auditor", "yes", "")


def test_a_page_shows_text_as_text_and_carries_its_digest() -> None:
    page = as_html(made())
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "Bank &amp; Co" in page
    assert "ab" * 32 in page


def row_of(name: str) -> Made:
    """A row in which every column is as wide as it can be."""
    report, ids = REPORTS[name], str(UUID(int=2**128 - 1))
    row = {
        each: "2026-10-14T13:45:12.123Z" if each.endswith("_at") else ids if each.endswith("id") else "acknowledgement"
        for each in report.columns
    }
    asked = Asked(WHEN, WHEN, WHEN, settled=True, zone=ZoneInfo("America/New_York"))
    return Made(report, "Bank & Co", asked, [row | {"prompt_hash": "ab" * 32} if "model" in row else row], "ab" * 32)


def test_a_page_tells_the_banks_own_time_in_words() -> None:
    page = as_html(row_of("complaints"))
    assert ">2026-10-14 09:45:12<" in page
    assert "13:45:12" not in page
    assert "<dt>Received</dt><dd>from 2026-09-30 20:00:00" in page
    assert "<dt>To ask for it again</dt><dd><code>as_of=2026-10-01T00:00:00.000Z</code>" in page
    assert (">Acknowledged</th>" in page, "acknowledged_at" in page) == (True, False)
    access = as_html(row_of("access_review"))
    assert "<code>/docs/permissions</code> says" in access
    assert "<dt>Use counted</dt>" in access


async def test_every_column_is_in_sight() -> None:
    """On a usual screen, and on A4 landscape within its margins."""
    async with chromium() as browser:
        page = await browser.new_page()
        for media, width in MEDIA:
            await page.emulate_media(media=media)
            await page.set_viewport_size({"width": width, "height": 700})
            for name in REPORTS:
                await page.set_content(as_html(row_of(name)))
                assert await page.evaluate(CUT_OFF) <= 0, (media, name)


def test_data_keeps_its_types() -> None:
    told = json.loads(as_json(made()))
    assert told["rows"][0]["name"] == NAME
    assert told["rows"][0]["access"] == ["agent", "auditor"]
    assert (told["from"], told["settled"]) == ("2026-10-01T00:00:00.000Z", True)
