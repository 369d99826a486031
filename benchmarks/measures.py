"""Numbers of a run: what was measured, and its percentiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest rank: the smallest value that at least `share` (0..1) of all do not exceed."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-round(share * 1000) * len(ordered) // 1000) - 1))]


@dataclass(frozen=True, slots=True)
class Load:
    """One run of turns. Times in milliseconds; `cpu_ms` is per turn, by group of processes."""

    system: str
    """`workflow`, `http`, or a LangGraph variant."""
    generator: str
    conversations: int
    seconds: float
    latencies_ms: list[float] = field(repr=False)
    turns: int
    cpu_ms: dict[str, float]

    @property
    def turns_per_s(self) -> float:
        return self.turns / self.seconds

    @property
    def p50(self) -> float:
        return percentile(self.latencies_ms, 0.50)

    @property
    def p99(self) -> float:
        return percentile(self.latencies_ms, 0.99)

    @property
    def product_cpu_ms(self) -> float:
        """Per turn, without the provider, which is not part of either system."""
        return sum(took for group, took in self.cpu_ms.items() if group != "provider")


def joined(loads: Sequence[Load]) -> Load:
    """Runs of the same thing as one."""
    first, turns = loads[0], sum(load.turns for load in loads)
    return Load(
        first.system,
        first.generator,
        first.conversations,
        sum(load.seconds for load in loads),
        [each for load in loads for each in load.latencies_ms],
        turns,
        {group: sum(load.cpu_ms[group] * load.turns for load in loads) / max(turns, 1) for group in first.cpu_ms},
    )


@dataclass(frozen=True, slots=True)
class Pair:
    """Two systems under the same load, one right after the other: a machine that gets slower does so for both."""

    ours: Load
    theirs: Load
