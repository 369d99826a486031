"""A closed loop: each conversation sends its next message as soon as its last turn has ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from benchmarks.questions import question


@dataclass(frozen=True, slots=True)
class Talk:
    """One conversation that a benchmark holds, and who holds it."""

    conversation_id: str
    customer_id: str
    tenant_id: str
    token: str = field(repr=False)


class System(Protocol):
    """Something that takes a message and returns when its turn has ended."""

    async def turn(self, talk: Talk, content: str) -> None: ...


@dataclass(slots=True)
class Measured:
    latencies_ms: list[float] = field(default_factory=list)
    turns: int = 0
    sent: int = 0


async def closed_loop(
    system: System, talks: Sequence[Talk], warm_up_s: float, seconds: float, tell: Callable[[str], None]
) -> Measured:
    """Talks for both times; only turns that ended in the second are counted. `tell` hears its `begin` and `end`."""
    measured = Measured()
    begin = time.perf_counter() + warm_up_s
    end = begin + seconds

    async def hold(talk: Talk, n: int) -> None:
        while (sent := time.perf_counter()) < end:
            await system.turn(talk, question(n))
            n += 1
            measured.sent += 1
            done = time.perf_counter()
            if begin <= done < end:
                measured.turns += 1
                measured.latencies_ms.append(1000 * (done - sent))

    async def tell_times() -> None:
        await asyncio.sleep(begin - time.perf_counter())
        tell("begin")
        await asyncio.sleep(end - time.perf_counter())
        tell("end")

    await asyncio.gather(tell_times(), *(hold(talk, n) for n, talk in enumerate(talks)))
    return measured
