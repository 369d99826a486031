"""What the benchmarks count with: percentiles, CPU and memory of process trees, a closed loop of talks."""

from __future__ import annotations

import asyncio
import math
import os
import subprocess
import sys
import time
from collections import Counter

import pytest

from benchmarks.load import Talk, closed_loop
from benchmarks.measures import Load, joined, percentile
from benchmarks.processes import cpu_seconds, memory_bytes, tree


@pytest.mark.parametrize("share", [0.0, 0.29, 0.5, 0.9, 0.99, 0.999, 1.0])
@pytest.mark.parametrize("size", [1, 2, 3, 10, 99, 100, 101, 1000])
def test_a_percentile_is_the_smallest_value_that_enough_do_not_exceed(size: int, share: float) -> None:
    values = [float(each) for each in range(size, 0, -1)]
    found = percentile(values, share)
    needed = round(share * 1000)
    assert 1000 * sum(each <= found for each in values) >= needed * size
    assert all(1000 * sum(other <= each for other in values) < needed * size for each in values if each < found)


def test_nothing_measured_is_no_number() -> None:
    assert math.isnan(percentile([], 0.5))


def test_a_loads_numbers_leave_the_provider_out() -> None:
    load = Load(
        "workflow", "openai", 10, 4.0, [10.0, 20.0, 30.0], 3, {"workers": 20.0, "Temporal": 5.0, "provider": 99}
    )
    assert (load.turns_per_s, load.p50, load.p99, load.product_cpu_ms) == (0.75, 20.0, 30.0, 25.0)


def test_runs_joined_weigh_by_their_turns() -> None:
    few, many = (
        Load("workflow", "openai", 10, 2.0, [5.0] * n, n, {"workers": cpu}) for n, cpu in ((1, 40.0), (3, 20.0))
    )
    whole = joined([few, many])
    assert (whole.turns, whole.turns_per_s, len(whole.latencies_ms)) == (4, 1.0, 4)
    assert whole.cpu_ms == {"workers": 25.0}


def test_a_process_is_counted_with_its_children() -> None:
    busy = "import time; end = time.process_time() + 0.2\nwhile time.process_time() < end: sum(range(1000))"
    parent = (
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}]); print('done', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        assert cpu_seconds([process.pid]) >= 0.2
        assert memory_bytes(process.pid) > 1_000_000
        process.communicate("\n")
    assert tree(process.pid) == []
    assert cpu_seconds([process.pid]) == 0.0


def test_memory_is_of_the_process_alone_where_that_is_asked() -> None:
    child = [sys.executable, "-c", "print('up', flush=True); input()"]
    with subprocess.Popen(child, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert memory_bytes(os.getpid()) > memory_bytes(os.getpid(), children=False)
        process.communicate("\n")


async def test_each_talk_waits_for_its_turn_and_only_what_ends_in_time_is_counted() -> None:
    class Slow:
        def __init__(self) -> None:
            self.running: Counter[str] = Counter()
            self.most = 0

        async def turn(self, talk: Talk, content: str) -> None:
            assert content
            self.running[talk.conversation_id] += 1
            self.most = max(self.most, max(self.running.values()))
            await asyncio.sleep(0.01)
            self.running[talk.conversation_id] -= 1

    system = Slow()
    told: list[str] = []
    began = time.perf_counter()
    talks = [Talk(str(n), "customer", "tenant", "token") for n in range(3)]
    measured = await closed_loop(system, talks, 0.05, 0.1, told.append)
    assert told == ["begin", "end"]
    assert system.most == 1
    assert 0 < measured.turns == len(measured.latencies_ms) < measured.sent
    assert min(measured.latencies_ms) >= 9
    assert time.perf_counter() - began >= 0.15
