"""Business days, open hours and the regulated clocks that run on them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from activities.promises import ANSWER_WITHIN, clocks, deadlines, due_at, spoken
from helios.business_time import BusinessHours
from helios.detection.situations import all_situations
from helios.tenant_settings import OfficeHours

NEW_YORK = ZoneInfo("America/New_York")
HOURS = BusinessHours(NEW_YORK)


def at(text: str, zone: ZoneInfo = NEW_YORK) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("received", "due"),
    [
        ("2026-03-02T10:00", date(2026, 3, 16)),  # a Monday, no holiday in two weeks
        ("2026-03-06T23:59", date(2026, 3, 20)),  # a Friday, late
        ("2026-03-07T09:00", date(2026, 3, 20)),  # a Saturday
        ("2026-03-08T09:00", date(2026, 3, 20)),  # a Sunday, when clocks change
        ("2026-05-20T12:00", date(2026, 6, 4)),  # over Memorial Day
        ("2026-06-26T12:00", date(2026, 7, 13)),  # Independence Day is a Saturday: kept on Friday 3 July
        ("2026-11-20T12:00", date(2026, 12, 7)),  # over Thanksgiving
        ("2026-12-21T12:00", date(2027, 1, 6)),  # over Christmas and New Year
    ],
)
def test_ten_business_days_of_regulation_e(received: str, due: date) -> None:
    """12 CFR 1005.2(d) and 1005.11(c): business days of the bank, counted from the day after receipt."""
    end = HOURS.add_business_days(at(received), 10).astimezone(NEW_YORK)
    assert (end.date(), end.hour, end.minute) == (due, 23, 59)


def test_the_day_is_the_banks_and_not_greenwichs() -> None:
    late = datetime(2026, 3, 3, 3, 30, tzinfo=UTC)  # still 2 March in New York
    assert HOURS.add_business_days(late, 10).astimezone(NEW_YORK).date() == date(2026, 3, 16)
    assert HOURS.add_calendar_days(late, 45).astimezone(NEW_YORK).date() == date(2026, 4, 16)
    assert HOURS.add_calendar_days(late, 45).tzinfo is UTC


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2026-03-02T09:00", 2, "2026-03-02T11:00"),
        ("2026-03-02T05:00", 2, "2026-03-02T10:00"),  # before opening
        ("2026-03-02T17:00", 2, "2026-03-03T09:00"),  # over night
        ("2026-03-06T17:30", 2, "2026-03-09T09:30"),  # over a weekend with a change of clocks
        ("2026-10-30T17:30", 2, "2026-11-02T09:30"),  # and back
        ("2026-11-25T17:00", 2, "2026-11-27T09:00"),  # over Thanksgiving
        ("2026-03-07T12:00", 8, "2026-03-09T16:00"),  # on a Saturday
        ("2026-03-02T08:00", 10, "2026-03-02T18:00"),  # exactly a day
        ("2026-03-02T08:00", 20, "2026-03-03T18:00"),
        ("2026-03-02T18:00", 1, "2026-03-03T09:00"),  # at closing time
    ],
)
def test_open_time(start: str, hours: int, end: str) -> None:
    assert HOURS.add(at(start), timedelta(hours=hours)) == at(end)
    in_utc = HOURS.add(at(start).astimezone(UTC), timedelta(hours=hours))
    assert in_utc == at(end)
    assert in_utc.tzinfo is UTC


def test_a_tenant_sets_its_hours() -> None:
    berlin = BusinessHours.of(
        OfficeHours(zone="Europe/Berlin", opens="09:00", closes="17:00", country="DE", closed_on=(date(2026, 7, 6),))
    )
    assert not berlin.is_business_day(date(2026, 5, 1))
    assert berlin.is_business_day(date(2026, 7, 3))
    assert not berlin.is_business_day(date(2026, 7, 6))
    assert not HOURS.is_business_day(date(2026, 7, 3))
    zone = ZoneInfo("Europe/Berlin")
    assert berlin.add(at("2026-04-02T16:30", zone), timedelta(hours=1)) == at("2026-04-07T09:30", zone)  # over Easter
    assert BusinessHours.of(OfficeHours()) == HOURS


def test_every_clock_of_every_ticket_begins_with_the_receipt() -> None:
    """Not with the ticket, and not with the answer: a message that waited for a worker loses no day."""
    received = datetime(2026, 3, 2, 15, tzinfo=UTC)
    tickets = [each.ticket for each in all_situations() if each.ticket is not None]
    assert tickets
    for ticket in tickets:
        for clock in clocks(ticket, received, OfficeHours()):
            due = datetime.fromisoformat(clock["due_at"])
            add = HOURS.add_business_days if clock["unit"] == "business" else HOURS.add_calendar_days
            assert due == add(received, clock["days"])


def test_an_unauthorised_debit_has_the_clocks_of_regulation_e() -> None:
    situation = next(each for each in all_situations() if each.number == 1)
    assert situation.ticket is not None
    made = clocks(situation.ticket, at("2026-03-02T10:00"), OfficeHours())
    terms = {(clock["days"], clock["unit"], clock.get("only_new_accounts", False)) for clock in made}
    assert {(10, "business", False), (20, "business", True)} <= terms
    assert {45, 90} <= {clock["days"] for clock in made}


@pytest.mark.parametrize("priority", list(ANSWER_WITHIN))
def test_urgent_answers_come_day_and_night(priority: str) -> None:
    night = at("2026-03-07T03:00")
    due = due_at(priority, night, OfficeHours())  # type: ignore[arg-type]
    urgent = priority in ("P0", "P1")
    assert (due - night <= timedelta(minutes=15)) is urgent
    warning, breach = deadlines("open", night, due, False, None)
    assert night < warning.at < breach.at == due
    assert deadlines("claimed", night, due, False, None) == deadlines("closed", night, due, False, None) == []
    assert [each.kind for each in deadlines("decided", night, due, True, night)] == ["abandoned"]


def test_a_moment_is_told_in_the_banks_time() -> None:
    moment = datetime(2026, 11, 23, 15, tzinfo=UTC)
    assert spoken(moment, "en", OfficeHours()) == "23 Nov 2026, 10:00 (EST)"
    assert spoken(moment, "de", OfficeHours()) == "23. Nov. 2026, 10:00 (EST)"
    assert spoken(moment, "es", OfficeHours()) == "23 nov 2026, 10:00 (EST)"
    assert spoken(moment, "pt", OfficeHours()) == spoken(moment, "en", OfficeHours())
