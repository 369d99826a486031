"""How many streams and sockets this process holds open at once: each costs memory and a look each 3 s."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from uuid import UUID

from api.limits import OPEN_STREAMS
from api.problems import Problem
from helios.tokens import Identity

COME_BACK_S = 5


class OpenStreams:
    def __init__(self, of_a_tenant: int) -> None:
        self._most = {**OPEN_STREAMS, "tenant": of_a_tenant}
        self._now: Counter[tuple[str, UUID]] = Counter()

    def one(self, identity: Identity) -> AbstractContextManager[None]:
        """A place among those of this person and tenant. Raises a 429 problem where there is none."""
        self.require_room(identity)
        return self._hold(_whose(identity))

    def require_room(self, identity: Identity) -> None:
        """For what has to know before it begins."""
        for scope, who in _whose(identity):
            if self._now[scope, who] >= self._most[scope]:
                detail = f"{self._most[scope]} streams of this {scope} are open. Close one, or wait."
                raise Problem("too_many_streams", detail, retry_after_s=COME_BACK_S)

    @contextmanager
    def _hold(self, whose: list[tuple[str, UUID]]) -> Iterator[None]:
        self._now.update(whose)
        try:
            yield
        finally:
            self._now.subtract(whose)
            for each in whose:
                if not self._now[each]:
                    del self._now[each]


def _whose(identity: Identity) -> list[tuple[str, UUID]]:
    return [(identity.kind, identity.id), ("tenant", identity.tenant_id)]
