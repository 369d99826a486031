"""Servers differ in the parameters they know: leave out what one refuses, and remember it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

T = TypeVar("T")


class Fallback:
    """Which optional parameters a server refuses, learned from its 400s and kept for the life of the process."""

    def __init__(self, *, guess: bool) -> None:
        """`guess`: a refusal that names no parameter is tried once more without any. For servers that are not known
        to explain themselves."""
        self._guess = guess
        self.refused: frozenset[str] = frozenset()

    async def request(
        self,
        send: Callable[[frozenset[str]], Awaitable[T]],
        optional: Collection[str],
        refusals: tuple[type[Exception], ...],
    ) -> T:
        """What `send(parameters to leave out)` gives, asked again without the `optional` ones that are refused.

        Raises what `send` raises when leaving out more does not help.
        """
        left_out = self.refused
        while True:
            try:
                result = await send(left_out)
            except refusals as error:
                sent = frozenset(optional) - left_out
                refused = _named(error, sent) or (sent if self._guess else frozenset())
                if not refused:
                    raise
                left_out |= refused
            else:
                self.refused |= left_out
                return result


def _named(error: Exception, parameters: frozenset[str]) -> frozenset[str]:
    """Those of the parameters that a refusal mentions."""
    said = f"{error} {json.dumps(getattr(error, 'body', None), default=str)}"
    return frozenset(name for name in parameters if name in said)
