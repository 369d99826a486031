"""Turns: how long they take, how many a second, and what they cost, ours and LangGraph's on the same PostgreSQL.

The provider answers at once, so that what is measured is everything else. `workflow` is our turn from the acceptance
transaction to `turn.completed`, without HTTP, which is also where the graph begins and ends.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import asyncpg

from benchmarks.environment import LANGGRAPH_DATABASE, POOL_SIZE, SAVERS, Child, Groups, Stack, child, load
from benchmarks.measures import Load, Pair

CONVERSATIONS = (1, 10, 50)
WARM_UP_S = 2.5
SETTLE_S = {1: 1.0, 10: 1.5, 50: 3.0}
Tell = Callable[[str], None]
Variant = tuple[str, int]
"""`SHAPE DURABILITY`, and in how many processes."""


async def measure_ours(stack: Stack, system: str, generator: str, provider_pid: int | None, seconds: float, tell: Tell,
                       counts: Sequence[int] = CONVERSATIONS) -> list[Load]:  # fmt: skip
    """`system` is `workflow` or `http`."""
    async with rig_of_ours(stack, system, generator, provider_pid) as ours:
        return [await ours.run(count, seconds, tell) for count in counts]


async def measure_langgraph(
    stack: Stack, variants: Sequence[Variant], provider_pid: int, seconds: float, tell: Tell,
    counts: Sequence[int] = CONVERSATIONS,
) -> list[Load]:  # fmt: skip
    async with _graphs(stack, variants, provider_pid) as graphs:
        return [await graph.run(count, seconds, tell) for graph in graphs for count in counts]


async def measure_side_by_side(
    stack: Stack, variant: Variant, provider_pid: int, seconds: float, rounds: int, tell: Tell,
    counts: Sequence[int] = CONVERSATIONS,
) -> list[Pair]:  # fmt: skip
    """Ours and a graph by turns, so many rounds: what else the machine does falls on both."""
    async with (
        rig_of_ours(stack, "workflow", "openai", provider_pid) as ours,
        _graphs(stack, [variant], provider_pid) as (theirs,),
    ):
        return [
            Pair(await ours.run(count, seconds, tell), await theirs.run(count, seconds, tell))
            for count in counts
            for _ in range(rounds)
        ]


@dataclass(frozen=True, slots=True)
class Rig:
    """A system with what makes its load. `groups` are the processes whose CPU time counts."""

    stack: Stack
    drivers: list[Child]
    system: str
    generator: str
    groups: Groups
    variant: str | None = None

    async def run(self, count: int, seconds: float, tell: Tell) -> Load:
        """So many conversations at a time, for so long."""
        talks = await self.stack.talks(count)
        warm_up = SETTLE_S.get(count, WARM_UP_S)
        measured, cpu = await load(self.drivers, talks, warm_up, seconds, self.groups, self.variant)
        outcomes = await self.stack.outcomes(talks)
        if outcomes != {"answered": measured.sent}:
            raise RuntimeError(f"{self.system}: {measured.sent} messages were sent, and the turns are {outcomes}")
        per_turn = {name: 1000 * took / max(measured.turns, 1) for name, took in cpu.items()}
        made = Load(self.system, self.generator, count, seconds, measured.latencies_ms, measured.turns, per_turn)
        tell(_line(made))
        return made


@asynccontextmanager
async def rig_of_ours(
    stack: Stack, system: str, generator: str, provider_pid: int | None, name: str | None = None
) -> AsyncIterator[Rig]:
    """Ours, shown under another name than its system's if one is given."""
    async with child("benchmarks.driver", system, env={**stack.env, "HELIOS_POSTGRES_POOL_SIZE": "8"}) as driver:
        await driver.hear("ready")
        groups = {**stack.groups(), "client": [driver.pid]}
        if system == "workflow":
            del groups["api"]
        if provider_pid is not None:
            groups["provider"] = [provider_pid]
        yield Rig(stack, [driver], name or system, generator, groups)


@asynccontextmanager
async def _graphs(stack: Stack, variants: Sequence[Variant], provider_pid: int) -> AsyncIterator[list[Rig]]:
    """A rig for each variant, which share their processes."""
    await _make_database(stack)
    most = max(processes for _, processes in variants)
    env = {
        **stack.env,
        "HELIOS_POSTGRES_OWNER_DSN": stack.langgraph_dsn,
        "HELIOS_WORKERS": str(SAVERS // most),
        "HELIOS_POSTGRES_POOL_SIZE": str(POOL_SIZE),
    }
    pids = stack.groups()
    async with AsyncExitStack() as opened:
        drivers = [
            await opened.enter_async_context(child("benchmarks.driver", "langgraph", env=env)) for _ in range(most)
        ]
        for driver in drivers:
            await driver.hear("ready")
        yield [
            Rig(
                stack,
                drivers[:processes],
                name_of((variant, processes)),
                "openai",
                {
                    "application": [driver.pid for driver in drivers[:processes]],
                    "PostgreSQL": pids["PostgreSQL"],
                    "Valkey": pids["Valkey"],
                    "provider": [provider_pid],
                },
                variant,
            )
            for variant, processes in variants
        ]


def name_of(variant: Variant) -> str:
    shape, processes = variant
    return f"LangGraph {shape}, {processes} process{'es' if processes > 1 else ''}"


async def _make_database(stack: Stack) -> None:
    """LangGraph's own tables, made by its own setup."""
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

    connection = await asyncpg.connect(stack.admin_dsn)
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", LANGGRAPH_DATABASE):
            await connection.execute(f"CREATE DATABASE {LANGGRAPH_DATABASE}")
    finally:
        await connection.close()
    async with AsyncPostgresSaver.from_conn_string(stack.langgraph_dsn) as saver:
        await saver.setup()


def _line(load: Load) -> str:
    return (
        f"{load.system} ({load.generator}), {load.conversations} conversations: p50 {load.p50:.0f} ms, "
        f"p99 {load.p99:.0f} ms, {load.turns_per_s:.1f} turns/s, CPU {load.product_cpu_ms:.0f} ms a turn"
    )
