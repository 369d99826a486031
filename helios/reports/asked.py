"""For which time a report is asked: a period, and the moment whose knowledge it shows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

SPAN_MAX = timedelta(days=366)
SETTLED_AFTER = timedelta(minutes=1)
"""A transaction writes down the moment in which it began: one that still runs may yet add to the newest minute."""

GREENWICH = ZoneInfo("UTC")
PERIOD = r"(\d{4})(?:-(?:Q([1-4])|(0[1-9]|1[0-2])))?"
"""`2026`, `2026-Q3` or `2026-09`."""
_PERIOD = re.compile(PERIOD)


class WrongPeriod(ValueError):
    """What is wrong with what was asked; its text is for whoever asked."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field


@dataclass(frozen=True, slots=True)
class Asked:
    """`since` is part of the period, `until` is not. Nothing that happened after `as_of` is known.

    zone  the bank's own, in which people read the times
    """

    since: datetime
    until: datetime
    as_of: datetime
    settled: bool
    zone: ZoneInfo = GREENWICH

    @classmethod
    def of(
        cls,
        zone: ZoneInfo,
        *,
        now: datetime,
        period: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        as_of: datetime | None = None,
    ) -> Asked:
        """Either a period by its name, in the bank's own time zone, or `since` and `until`; else the current month.

        Raises:
            WrongPeriod: both, half of one, one that ends before it begins, a longer one than a year, or the future.
        """
        if period is not None and (since is not None or until is not None):
            raise WrongPeriod("period", "names the time already: leave out `from` and `to`")
        if (since is None) != (until is None):
            raise WrongPeriod("from" if since is None else "to", "is needed too: a period has two ends")
        if since is None or until is None:
            since, until = bounds(period or f"{now.astimezone(zone):%Y-%m}", zone)
        if until <= since:
            raise WrongPeriod("to", "must be later than `from`")
        if until - since > SPAN_MAX:
            raise WrongPeriod("to", "is more than a year after `from`")
        if as_of is not None and as_of > now:
            raise WrongPeriod("as_of", "is still to come")
        known = as_of or now
        return cls(since, until, known, known <= now - SETTLED_AFTER, zone)


def bounds(period: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """When a year, quarter or month begins and the next one does, in `zone`, as UTC.

    Raises `WrongPeriod` for anything else.
    """
    found = _PERIOD.fullmatch(period)
    if found is None or not 2000 <= int(found[1]) <= 2999:
        raise WrongPeriod("period", "is none: write 2026, 2026-Q3 or 2026-09")
    year, quarter, month = int(found[1]), found[2], found[3]
    first, months = (3 * int(quarter) - 2, 3) if quarter else (int(month), 1) if month else (1, 12)
    after = first - 1 + months
    begins = datetime(year, first, 1, tzinfo=zone)
    ends = datetime(year + after // 12, after % 12 + 1, 1, tzinfo=zone)
    return begins.astimezone(UTC), ends.astimezone(UTC)
