"""What the whole stack takes at rest: memory by part, what open conversations add to it, and CPU."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from benchmarks.environment import Child, Stack, child, load
from benchmarks.processes import cpu_seconds, memory_bytes

SETTLE_S = 3.0
REST_S = 10.0


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes, as proportional set size (shared pages are shared out)."""

    idle: dict[str, int]
    """By part; `whole` is every process of the stack, its supervisor too."""
    conversations: int
    with_conversations: dict[str, int]
    idle_cpu: float
    """Of one core, all processes together, once it has warmed up."""

    @property
    def per_thousand(self) -> float:
        """What 1,000 open conversations, each with a turn behind it, take in workers and Temporal together."""
        grown = sum(self.with_conversations[part] - self.idle[part] for part in ("workers", "Temporal"))
        return 1000 * grown / self.conversations


async def measure_memory(stack: Stack, conversations: int) -> Memory:
    """Each conversation has one turn and then waits, its workflow cached by a worker."""
    async with child("benchmarks.driver", "workflow", env=stack.env) as driver:
        await driver.hear("ready")
        idle = _parts(stack)
        # The caches of code and connections fill with the first turns; they are not the conversations'.
        await _open(stack, driver, 50)
        await asyncio.sleep(SETTLE_S)
        warm = _parts(stack)
        before = cpu_seconds([stack.pid])
        await asyncio.sleep(REST_S)
        idle_cpu = (cpu_seconds([stack.pid]) - before) / REST_S
        await _open(stack, driver, conversations)
        await asyncio.sleep(SETTLE_S)
        full = _parts(stack)
    grown = {part: idle[part] + full[part] - warm[part] for part in idle}
    return Memory(idle, conversations, grown, idle_cpu)


async def _open(stack: Stack, driver: Child, count: int) -> None:
    talks = await stack.talks(count)
    for first in range(0, count, 25):
        # A load of no length: each conversation sends one message and is done.
        await load([driver], talks[first : first + 25], 0.0, 0.01, {}, None)


def _parts(stack: Stack) -> dict[str, int]:
    pids = stack.pids
    workers = [memory_bytes(pid) for pid in pids["workers"]]
    return {
        "whole": memory_bytes(stack.pid),
        "workers": sum(workers),
        "one worker": max(workers),
        "API": memory_bytes(pids["api"]),
        "Temporal": memory_bytes(pids["temporal"]),
        "PostgreSQL": memory_bytes(pids["postgres"]),
        "Valkey": memory_bytes(pids["valkey"]),
        "supervisor": memory_bytes(stack.pid, children=False),
    }
