"""Turns: how long they take, how many a second, and what they cost, ours and LangGraph's on the same PostgreSQL.

The provider answers at once, so that what is measured is everything else. `workflow` is our turn from the acceptance
transaction to `turn.completed`, without HTTP, which is also where the graph begins and ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

import asyncpg

from benchmarks.environment import LANGGRAPH_DATABASE, POOL_SIZE, SAVERS, Child, Groups, Stack, child, load
from benchmarks.measures import Load

CONVERSATIONS = (1, 10, 50)
WARM_UP_S = 2.5
SETTLE_S = {1: 1.0, 10: 1.5, 50: 3.0}
Tell = Callable[[str], None]


async def measure_ours(stack: Stack, system: str, generator: str, provider_pid: int | None, seconds: float, tell: Tell,
                       counts: Sequence[int] = CONVERSATIONS) -> list[Load]:  # fmt: skip
    """`system` is `workflow` or `http`."""
    results = []
    async with child("benchmarks.driver", system, env={**stack.env, "HELIOS_POSTGRES_POOL_SIZE": "8"}) as driver:
        await driver.hear("ready")
        groups = {**stack.groups(), "client": [driver.pid]}
        if system == "workflow":
            del groups["api"]
        if provider_pid is not None:
            groups["provider"] = [provider_pid]
        for count in counts:
            results.append(await _run(stack, [driver], system, generator, count, seconds, groups, None))
            tell(_line(results[-1]))
    return results


async def measure_langgraph(
    stack: Stack, variants: Sequence[tuple[str, int]], provider_pid: int, seconds: float, tell: Tell,
    counts: Sequence[int] = CONVERSATIONS,
) -> list[Load]:  # fmt: skip
    """`variants` are (`SHAPE DURABILITY`, processes)."""
    await _make_database(stack)
    most = max(processes for _, processes in variants)
    results = []
    env = {
        **stack.env,
        "HELIOS_POSTGRES_OWNER_DSN": stack.langgraph_dsn,
        "HELIOS_WORKERS": str(SAVERS // most),
        "HELIOS_POSTGRES_POOL_SIZE": str(POOL_SIZE),
    }
    async with AsyncExitStack() as opened:
        drivers = [
            await opened.enter_async_context(child("benchmarks.driver", "langgraph", env=env)) for _ in range(most)
        ]
        for driver in drivers:
            await driver.hear("ready")
        for variant, processes in variants:
            for count in counts:
                used = drivers[:processes]
                pids = stack.groups()
                groups: Groups = {
                    "application": [driver.pid for driver in used],
                    "PostgreSQL": pids["PostgreSQL"],
                    "Valkey": pids["Valkey"],
                    "provider": [provider_pid],
                }
                name = f"LangGraph {variant}, {processes} process{'es' if processes > 1 else ''}"
                results.append(await _run(stack, used, name, "openai", count, seconds, groups, variant, paused=True))
                tell(_line(results[-1]))
    return results


async def _run(
    stack: Stack, drivers: list[Child], system: str, generator: str, count: int, seconds: float, groups: Groups,
    variant: str | None, *, paused: bool = False,
) -> Load:  # fmt: skip
    talks = await stack.talks(count)
    warm_up = SETTLE_S.get(count, WARM_UP_S)
    async with AsyncExitStack() as held:
        if paused:
            await held.enter_async_context(stack.paused())
        measured, cpu = await load(drivers, talks, warm_up, seconds, groups, variant)
    outcomes = await stack.outcomes(talks)
    if outcomes != {"answered": measured.sent}:
        raise RuntimeError(f"{system}: {measured.sent} messages were sent, and the turns are {outcomes}")
    per_turn = {name: 1000 * took / max(measured.turns, 1) for name, took in cpu.items()}
    return Load(system, generator, count, seconds, measured.latencies_ms, measured.turns, per_turn)


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
