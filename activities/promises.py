"""When somebody must have heard from us: answer times of escalations and due dates of regulated tickets."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from helios.business_time import BusinessHours
from helios.detection.situations import Ticket
from helios.tenant_settings import OfficeHours
from schema.steps import Deadline, Priority

# P0 and P1 are answered day and night; the rest in business hours. Our own choice, not a regulation's.
ANSWER_WITHIN: dict[Priority, tuple[timedelta, bool]] = {
    "P0": (timedelta(seconds=60), False),
    "P1": (timedelta(minutes=15), False),
    "P2": (timedelta(hours=2), True),
    "P3": (timedelta(hours=8), True),
    "P4": (timedelta(hours=20), True),
}
WARN_AT = 0.75
DECIDED_STAYS = timedelta(days=2)
MONTHS = {
    "en": "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
    "de": "Jan. Feb. März Apr. Mai Juni Juli Aug. Sept. Okt. Nov. Dez.",
    "es": "ene feb mar abr may jun jul ago sept oct nov dic",
    "fr": "janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.",
    "ar": "يناير فبراير مارس أبريل مايو يونيو يوليو أغسطس سبتمبر أكتوبر نوفمبر ديسمبر",
    "tr": "Oca Şub Mar Nis May Haz Tem Ağu Eyl Eki Kas Ara",
}


def due_at(priority: Priority, opened_at: datetime, hours: OfficeHours) -> datetime:
    """By when a person answers."""
    within, in_business_hours = ANSWER_WITHIN[priority]
    return BusinessHours.of(hours).add(opened_at, within) if in_business_hours else opened_at + within


def deadlines(
    status: str, opened_at: datetime, due: datetime, breached: bool, decided_at: datetime | None
) -> list[Deadline]:
    """What the clock of an escalation does next, as absolute moments."""
    if status == "closed":
        return []
    if status == "decided" and decided_at is not None:
        return [Deadline("abandoned", decided_at + DECIDED_STAYS)]
    if status == "claimed" or breached:
        return []
    return [Deadline("warning", opened_at + (due - opened_at) * WARN_AT), Deadline("breach", due)]


def clocks(ticket: Ticket, received_at: datetime, hours: OfficeHours) -> list[dict[str, Any]]:
    """A ticket's due dates. They run from the receipt of the message (12 CFR 1005.11(c))."""
    business = BusinessHours.of(hours)
    running = []
    for clock in ticket.clocks:
        add = business.add_business_days if clock.unit == "business" else business.add_calendar_days
        due = add(received_at, clock.days)
        only_new = {"only_new_accounts": True} if clock.only_new_accounts else {}
        running.append(
            {"name": clock.name, "days": clock.days, "unit": clock.unit, "due_at": due.isoformat(), **only_new}
        )
    return running


def spoken(moment: datetime, language: str, hours: OfficeHours) -> str:
    """A moment as a customer reads it, in the bank's time zone, e.g. `23 Nov 2026, 10:00 (EST)`."""
    local = moment.astimezone(BusinessHours.of(hours).zone)
    return f"{spoken_day(moment, language, hours)}, {local:%H:%M} ({local:%Z})"


def spoken_day(moment: datetime, language: str, hours: OfficeHours) -> str:
    """The day of it alone, e.g. `23 Nov 2026`."""
    local = moment.astimezone(BusinessHours.of(hours).zone)
    month = MONTHS.get(language, MONTHS["en"]).split()[local.month - 1]
    dot = "." if language == "de" else ""
    return f"{local.day}{dot} {month} {local.year}"
