"""The line in front of sign-in: hashing takes the time of a core, so a few sign in at once and the others wait.

Callers take turns by address, and of one address so many wait and no more: who floods waits behind himself. A browser
that has signed in before stands in a line of its own, in front of strangers: nobody's flood keeps the staff out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from api.problems import Problem
from helios.fair_turns import FairTurns, TooManyWaiting

AT_A_TIME = 4
WAITING_MOST = 200
"""Of one address: what two cores do in the time that one waits at most. A bank whose staff sit behind one address comes
that far on a Monday."""
WAIT_S = 30
BUSY = "Too many are signing in at once."
Place = tuple[bool, str]
"""Whether it is a known device, and which one, or which address."""

TURNS: FairTurns[Place] = FairTurns(AT_A_TIME, preferred=lambda place: place[0], waiting_most=WAITING_MOST)


@asynccontextmanager
async def in_line(place: Place) -> AsyncIterator[None]:
    """A turn for whoever stands there; who waits holds no connection. Raises a 503 problem after 30 s, or at once where
    too many wait there already."""
    async with AsyncExitStack() as turn:
        try:
            async with asyncio.timeout(WAIT_S):
                await turn.enter_async_context(TURNS.of(place))
        except (TimeoutError, TooManyWaiting):
            raise Problem("dependency_unavailable", BUSY, retry_after_s=5) from None
        yield
