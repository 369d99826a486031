"""Each part of the benchmarks, run as small as it gets, on the real stack."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

import pytest

from benchmarks import encryption
from benchmarks.encryption import measure_encryption
from benchmarks.environment import Stack as BenchStack
from benchmarks.environment import attach
from benchmarks.first_token import _pieces_needed
from benchmarks.history import measure_history
from benchmarks.turns import measure_ours
from helios.embedded.supervisor import Stack
from tests.llm.provider_wire import pieces_of

STEPS = ["intent", "retrieval", "generation", "compliance", "redaction", "delivery", "escalation_check", "audit"]
JOINED = ["understand", "generate", "deliver"]

with_langgraph = pytest.mark.skipif(
    importlib.util.find_spec("langgraph") is None,
    reason="langgraph is in the group `bench` only: `make bench` makes .venv-bench, whose python runs this, too",
)


@pytest.fixture
def bench(stack: Stack) -> BenchStack:
    return attach(os.getpid(), stack.servers.home.root, stack.description(), {"HELIOS_LLM": "offline"})


@pytest.mark.parametrize("system", ["workflow", "http"])
async def test_turns_are_measured(bench: BenchStack, system: str) -> None:
    said: list[str] = []
    (load,) = await measure_ours(bench, system, "offline", None, 2.0, said.append, counts=(1,))
    assert load.turns == len(load.latencies_ms) > 0
    # In so short a time a server may take less of the processor than is counted.
    assert load.cpu_ms.keys() >= {"workers", "Temporal", "PostgreSQL", "client"}
    assert load.cpu_ms["workers"] > 0
    assert ("api" in load.cpu_ms) == (system == "http")
    assert f"{system} (offline), 1 conversations: p50" in said[0]


async def test_a_history_is_measured_and_holds_no_text(bench: BenchStack) -> None:
    history = await measure_history(bench, 3)
    assert (history.turns, history.runs) == (3, 1)
    assert history.texts > 3
    assert (history.found_sealed, history.found_opened) == (0, 0)
    assert [each.events for each in history.replays] == sorted(each.events for each in history.replays)
    assert all(each.replay_ms > 0 for each in history.replays)


async def test_what_a_turn_seals_is_counted_and_timed_with_and_without(
    bench: BenchStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encryption, "CPU_S", 0.0)
    measured = await measure_encryption(bench, 2)
    assert measured.turns == 2
    assert min(measured.payloads, measured.values) > 1
    assert min(measured.on_ms, measured.off_ms) > 0


def test_the_first_window_is_complete_with_its_sentence() -> None:
    answer = "It costs 5 dollars. [1] The fee is taken at once. [1]"
    needed = _pieces_needed(answer)
    assert "5 dollars." in "".join(list(pieces_of(answer))[: needed + 1])
    assert needed < len(list(pieces_of(answer))) - 1


@with_langgraph
@pytest.mark.parametrize(("shape", "names"), [("eight", STEPS), ("three", JOINED)])
def test_the_graph_has_the_same_steps_in_the_same_order(shape: str, names: list[str]) -> None:
    from langgraph.checkpoint.memory import InMemorySaver

    from benchmarks.langgraph_app import Steps, build

    without_resources: Any = None
    saver: Any = InMemorySaver()
    graph = build(Steps(without_resources), saver, shape).get_graph()
    after = {edge.source: edge.target for edge in graph.edges}
    order, here = [], "__start__"
    while (here := after[here]) != "__end__":
        order.append(here)
    assert order == names
