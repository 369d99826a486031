"""The benchmarks in order, on a stack of their own that is thrown away afterwards."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.checks import measure_checks
from benchmarks.encryption import Encryption, measure_encryption
from benchmarks.environment import provider, running_stack
from benchmarks.first_token import FirstToken, measure_first_token
from benchmarks.history import History, measure_history
from benchmarks.measures import Load, Pair, joined
from benchmarks.memory import Memory, measure_memory
from benchmarks.noisy import Noisy, measure_noisy
from benchmarks.turns import CONVERSATIONS, measure_langgraph, measure_ours, measure_side_by_side

Report = Callable[[str, str], None]

FAIR = ("eight sync", 2)
"""The graph that the aims are about: each step's checkpoint is durable; as many processes as we have workers."""
OTHERS = (("eight async", 2), ("eight sync", 1), ("three sync", 2))
ROUNDS = 3


@dataclass(slots=True)
class Results:
    """What was measured; None or empty where it was not asked for."""

    quick: bool
    names: tuple[str, ...]
    loads: list[Load] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    """Ours and the fair graph by turns. What they are together is among `loads`."""
    first_token: list[FirstToken] = field(default_factory=list)
    memory: Memory | None = None
    history: History | None = None
    encryption: Encryption | None = None
    checks: list[Pair] = field(default_factory=list)
    """The product beside itself without its checks."""
    noisy: Noisy | None = None
    broken: list[str] = field(default_factory=list)
    """Each part that did not come to its end, and why."""


async def measure(names: Sequence[str], *, quick: bool, report: Report) -> Results:
    """`quick` measures for a shorter time and leaves the less telling variants out."""
    results = Results(quick, tuple(names))
    home = Path(tempfile.mkdtemp(prefix="helios-bench-"))
    home.chmod(0o711)  # PostgreSQL runs under another account where we are root
    try:
        async with provider() as (child, url):
            offline = {"HELIOS_LLM": "offline"}
            remote = {"HELIOS_LLM": "openai,offline", "OPENAI_API_KEY": "benchmark", "OPENAI_BASE_URL": url}
            if {"memory", "history", "encryption"} & set(names) or ("turns" in names and not quick):
                with _kept(results, report, "Without a provider"):
                    await _on_offline(results, home / "home", offline, report)
            if {"turns", "langgraph", "first-token"} & set(names):
                with _kept(results, report, "With a provider"):
                    await _on_provider(results, home / "home", remote, (child.pid, url), report)
            if "checks" in names:
                with _kept(results, report, "Checks"):
                    report("Checks", "two stacks start")
                    homes, rounds = (home / "home", home / "unchecked"), 1 if quick else ROUNDS
                    results.checks = await measure_checks(homes, remote, child.pid, 8.0, rounds, _to(report, "Checks"))
            if "noisy" in names:
                with _kept(results, report, "Noisy tenant"):
                    await _on_limits(results, home / "home", remote, report)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return results


@contextmanager
def _kept(results: Results, report: Report, part: str) -> Iterator[None]:
    """What breaks ends its own part only: what was measured before took a quarter of an hour."""
    try:
        yield
    except Exception as error:
        results.broken.append(f"{part}: {type(error).__name__}: {error}")
        report(part, f"broken off: {error}")


async def _on_offline(results: Results, home: Path, env: dict[str, str], report: Report) -> None:
    quick, names = results.quick, results.names
    report("Stack", "starting (offline generator)")
    async with running_stack(home, env) as stack:
        report("Stack", "ready")
        if "memory" in names:
            report("Memory", "measuring")
            results.memory = await measure_memory(stack, 200 if quick else 500)
        if "history" in names:
            report("History", "measuring")
            results.history = await measure_history(stack, 100)
        if "encryption" in names:
            report("Encryption", "measuring")
            results.encryption = await measure_encryption(stack, 10 if quick else 50)
        if "turns" in names and not quick:
            for system in ("workflow", "http"):
                results.loads += await measure_ours(stack, system, "offline", None, 5.0, _to(report, "Turns"))


async def _on_provider(
    results: Results, home: Path, env: dict[str, str], provider_at: tuple[int, str], report: Report
) -> None:
    quick, names = results.quick, results.names
    pid, url = provider_at
    seconds = 5.0 if quick else 8.0
    tell = _to(report, "Turns")
    report("Stack", "starting (provider over HTTP)")
    async with running_stack(home, env) as stack:
        report("Stack", "ready")
        if "first-token" in names:
            report("First token", "measuring")
            results.first_token = await measure_first_token(stack, url, 15 if quick else 40)
        if "turns" in names:
            results.loads += await measure_ours(stack, "http", "openai", pid, seconds, tell)
        if "langgraph" in names:
            results.pairs = await measure_side_by_side(stack, FAIR, pid, seconds, 1 if quick else ROUNDS, tell)
            results.loads += _together(results.pairs)
            if not quick:
                results.loads += await measure_langgraph(stack, OTHERS, pid, seconds, tell)
        elif "turns" in names:
            results.loads += await measure_ours(stack, "workflow", "openai", pid, seconds, tell)


def _together(pairs: Sequence[Pair]) -> list[Load]:
    rounds = [[pair for pair in pairs if pair.ours.conversations == count] for count in CONVERSATIONS]
    return [joined([getattr(pair, side) for pair in each]) for side in ("ours", "theirs") for each in rounds]


async def _on_limits(results: Results, home: Path, env: dict[str, str], report: Report) -> None:
    report("Stack", "starting (limits as an operator has them)")
    async with running_stack(home, {**env, "HELIOS_RATE_LIMITS": "1"}) as stack:
        report("Stack", "ready")
        report("Noisy tenant", "measuring")
        results.noisy = await measure_noisy(stack, 1 if results.quick else 5, 10.0 if results.quick else 15.0)


def _to(report: Report, title: str) -> Callable[[str], None]:
    return lambda line: report(title, line)
