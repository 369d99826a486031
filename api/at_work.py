"""How much of a tenant's work a process does at the same time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from api.problems import Problem


class AtWork:
    """How many requests of a tenant this process works on or lets wait at the same time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._now: Counter[str] = Counter()

    def one(self, tenant: str) -> AbstractContextManager[None]:
        """Raises a 429 problem where there are too many."""
        if self._now[tenant] >= self._most:
            raise Problem("rate_limited", "Too many requests of this tenant are being worked on.", retry_after_s=1)
        return self._hold(tenant)

    @contextmanager
    def _hold(self, tenant: str) -> Iterator[None]:
        self._now[tenant] += 1
        try:
            yield
        finally:
            self._now[tenant] -= 1
            if not self._now[tenant]:
                del self._now[tenant]
