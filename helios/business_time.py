"""Time as a business counts it: hours when people work, and days that are neither weekend nor holiday."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays

from helios.tenant_settings import OfficeHours


@dataclass(frozen=True, slots=True)
class BusinessHours:
    """When the tenant's people answer. Deadlines that run 24/7 don't ask this."""

    zone: ZoneInfo
    opens: time = time(8)
    closes: time = time(18)
    weekdays: frozenset[int] = frozenset(range(5))
    country: str = "US"
    closed_on: frozenset[date] = frozenset()

    @classmethod
    def of(cls, hours: OfficeHours) -> BusinessHours:
        """From a tenant's settings."""
        opens, closes = hours.span
        days, closed_on = frozenset(hours.weekdays), frozenset(hours.closed_on)
        return cls(ZoneInfo(hours.zone), opens, closes, days, hours.country, closed_on)

    def is_business_day(self, day: date) -> bool:
        return day.weekday() in self.weekdays and day not in self.closed_on and day not in _holidays(self.country)

    def add(self, start: datetime, duration: timedelta) -> datetime:
        """The moment by which `duration` of open time has passed after `start`, which must know its time zone."""
        moment, left = start.astimezone(self.zone), duration
        while True:
            opens, closes = self._span(moment.date())
            if self.is_business_day(moment.date()) and moment < closes:
                moment = max(moment, opens)
                # Differences of aware times in one zone ignore a clock change; a working day has one offset.
                if closes - moment >= left:
                    return (moment + left).astimezone(start.tzinfo)
                left -= closes - moment
            moment = self._span(moment.date() + timedelta(days=1))[0]

    def add_business_days(self, start: datetime, days: int) -> datetime:
        """The end of the `days`-th business day after that of `start` (Reg E counts the day after receipt as one)."""
        day = start.astimezone(self.zone).date()
        while days > 0:
            day += timedelta(days=1)
            days -= self.is_business_day(day)
        return datetime.combine(day, time(23, 59, 59), self.zone).astimezone(start.tzinfo)

    def add_calendar_days(self, start: datetime, days: int) -> datetime:
        """The end of the day that is `days` after the day of `start`."""
        day = start.astimezone(self.zone).date() + timedelta(days=days)
        return datetime.combine(day, time(23, 59, 59), self.zone).astimezone(start.tzinfo)

    def _span(self, day: date) -> tuple[datetime, datetime]:
        return datetime.combine(day, self.opens, self.zone), datetime.combine(day, self.closes, self.zone)


@lru_cache(maxsize=32)
def _holidays(country: str) -> holidays.HolidayBase:
    return holidays.country_holidays(country)
