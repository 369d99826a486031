"""Which time a report is for: periods in the bank's own time zone, and clear words where there is no such time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from helios.reports.asked import Asked, WrongPeriod, bounds

NEW_YORK = ZoneInfo("America/New_York")
NOW = datetime(2026, 11, 1, 3, 30, tzinfo=UTC)  # the last evening of October in New York


@pytest.mark.parametrize(
    ("period", "begins", "ends"),
    [
        ("2026-02", "2026-02-01T05:00:00+00:00", "2026-03-01T05:00:00+00:00"),
        ("2026-03", "2026-03-01T05:00:00+00:00", "2026-04-01T04:00:00+00:00"),
        ("2026-Q4", "2026-10-01T04:00:00+00:00", "2027-01-01T05:00:00+00:00"),
        ("2026", "2026-01-01T05:00:00+00:00", "2027-01-01T05:00:00+00:00"),
    ],
)
def test_a_period_begins_and_ends_at_the_banks_midnight(period: str, begins: str, ends: str) -> None:
    assert [each.isoformat() for each in bounds(period, NEW_YORK)] == [begins, ends]


def test_without_a_period_it_is_the_banks_own_month() -> None:
    asked = Asked.of(NEW_YORK, now=NOW)
    assert (asked.since, asked.until) == bounds("2026-10", NEW_YORK)
    assert (asked.as_of, asked.settled) == (NOW, False)


def test_a_moment_is_settled_when_no_transaction_can_still_add_to_it() -> None:
    assert Asked.of(NEW_YORK, now=NOW, as_of=NOW - timedelta(minutes=1)).settled
    assert not Asked.of(NEW_YORK, now=NOW, as_of=NOW - timedelta(seconds=59)).settled


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"period": "2026-13"}, "period"),
        ({"period": "2026-Q5"}, "period"),
        ({"period": "1999"}, "period"),
        ({"period": "3000-01"}, "period"),
        ({"period": "2026", "since": NOW, "until": NOW}, "period"),
        ({"since": NOW}, "to"),
        ({"until": NOW}, "from"),
        ({"since": NOW, "until": NOW}, "to"),
        ({"since": NOW, "until": NOW + timedelta(days=367)}, "to"),
        ({"as_of": NOW + timedelta(seconds=1)}, "as_of"),
    ],
)
def test_what_is_no_time_is_refused_by_its_name(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(WrongPeriod) as refused:
        Asked.of(NEW_YORK, now=NOW, **wrong)
    assert refused.value.field == field
