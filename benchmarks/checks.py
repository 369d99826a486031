"""What the checks cost a turn: the product beside itself without them, by turns on the same machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.environment import running_stack
from benchmarks.measures import Pair
from benchmarks.turns import Tell, rig_of_ours

CONVERSATIONS = (1, 50)
UNCHECKED = ("-m", "benchmarks.unchecked")


async def measure_checks(
    homes: tuple[Path, Path], env: Mapping[str, str], provider_pid: int, seconds: float, rounds: int, tell: Tell
) -> list[Pair]:
    """`ours` is the product, `theirs` checks nothing. Each has a stack of its own, which idles meanwhile."""
    async with (
        running_stack(homes[0], env) as stack,
        running_stack(homes[1], env, UNCHECKED) as unchecked,
        rig_of_ours(stack, "workflow", "openai", provider_pid, "with the checks") as ours,
        rig_of_ours(unchecked, "workflow", "openai", provider_pid, "without them") as theirs,
    ):
        return [
            Pair(await ours.run(count, seconds, tell), await theirs.run(count, seconds, tell))
            for count in CONVERSATIONS
            for _ in range(rounds)
        ]
