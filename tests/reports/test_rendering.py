"""What is handed over: a spreadsheet that runs nothing, a page that shows text as text."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

from helios.reports.asked import Asked
from helios.reports.catalogue import REPORTS
from helios.reports.making import Made
from helios.reports.rendering import as_csv, as_html, as_json

NAME = '=HYPERLINK("http://x.example","<script>alert(1)</script>")'
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


def test_data_keeps_its_types() -> None:
    told = json.loads(as_json(made()))
    assert told["rows"][0]["name"] == NAME
    assert told["rows"][0]["access"] == ["agent", "auditor"]
    assert (told["from"], told["settled"]) == ("2026-10-01T00:00:00.000Z", True)
