"""The results' page says what was measured, and what was not measured is not in it."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.chart import Bar, bars
from benchmarks.encryption import Encryption
from benchmarks.first_token import FirstToken
from benchmarks.history import History, Replay
from benchmarks.measures import Load, Pair, joined
from benchmarks.memory import Memory
from benchmarks.noisy import Noisy
from benchmarks.report import write
from benchmarks.suite import FAIR, Results
from benchmarks.turns import name_of

MACHINE = {"Command": "python -m helios bench --quick", "Processor": "of a test"}
MIB = 2**20


def load(system: str, conversations: int, latency_ms: float, turns: int) -> Load:
    return Load(system, "openai", conversations, 5.0, [latency_ms] * turns, turns, {"workers": 40.0, "provider": 9.0})


def pair(conversations: int, ours: tuple[float, int], theirs: tuple[float, int]) -> Pair:
    return Pair(load("workflow", conversations, *ours), load(name_of(FAIR), conversations, *theirs))


def everything() -> Results:
    alone = pair(1, (30.0, 10), (40.0, 10))
    many = [pair(50, (90.0, 100), (99.0, 50)), pair(50, (95.0, 75), (99.0, 50)), pair(50, (99.0, 50), (99.0, 50))]
    parts = {"whole": 900 * MIB, "workers": 500 * MIB, "one worker": 250 * MIB, "Temporal": 200 * MIB}
    grown = {**parts, "workers": 520 * MIB}
    return Results(
        quick=False,
        names=("turns",),
        loads=[
            alone.ours,
            joined([each.ours for each in many]),
            alone.theirs,
            joined([each.theirs for each in many]),
        ],
        pairs=[alone, *many],
        first_token=[FirstToken("at once", [30.0, 50.0], [10.0, 20.0])],
        noisy=Noisy([50.0, 60.0, 40.0], [60.0, 66.0, 100.0], {"200": 30, "429": 270}),
        memory=Memory(parts, 100, grown, 0.031),
        checks=[Pair(load("with the checks", 50, 95.0, 60), load("without them", 50, 80.0, 75))],
        encryption=Encryption(50, 12.0, 6.5, 9_400.0, 0.75, 0.25),
        history=History(100, 2, 1000, 400_000, 7, 0, 0, [Replay(86, 5.0, 160.0)]),
    )


def test_the_page_compares_and_names_the_aims(tmp_path: Path) -> None:
    page = write(everything(), MACHINE, tmp_path).read_text()
    assert "15.0 against 10.0, **1.50 times** (1.00 to 2.00 in 3 rounds; aim: 1.2)" in page
    assert "**30 ms** against 40 ms (aim: no higher)" in page
    assert "| at once | 2 | 30 / 50 | 10 / 20 | **20 / 30** |" in page
    assert "add **200 MiB**" in page
    assert "1,000 events in 2 runs, **400 kB** in all" in page
    assert "12.0 payloads of Temporal and 6.5 columns and frames, 9.4 kB together" in page
    assert "encryption costs a turn **0.50 ms** of CPU" in page
    assert "- 50 conversations: **0.80 times** the turns/s, +0 ms of CPU a turn, p50 +15 ms, with them." in page
    assert "A quick run" not in page
    assert "provider 9" not in page


def test_the_noisy_tenants_ratio_is_the_median_of_the_runs(tmp_path: Path) -> None:
    page = write(everything(), MACHINE, tmp_path).read_text(encoding="utf-8")
    assert "**1.20 times**" in page
    assert "30 × 200, 270 × 429" in page


def test_tables_have_as_many_cells_as_heads(tmp_path: Path) -> None:
    width = 0
    for line in write(everything(), MACHINE, tmp_path).read_text().splitlines():
        cells = line.count("|") if line.startswith("|") else 0
        assert not cells or not width or cells == width, line
        width = cells


def test_what_was_not_measured_is_not_told_of(tmp_path: Path) -> None:
    page = write(Results(quick=True, names=()), MACHINE, tmp_path).read_text()
    assert "A quick run" in page
    for part in ("## Turns", "LangGraph", "## First token", "## Memory", "## History", "## Encryption"):
        assert part not in page
    assert not (tmp_path / "benchmarks.svg").exists()


def test_the_raw_numbers_are_those_of_the_page(tmp_path: Path) -> None:
    write(everything(), MACHINE, tmp_path)
    raw = json.loads((tmp_path / "benchmarks.json").read_text())
    assert [each["turns_per_s"] for each in raw["loads"]] == [2.0, 15.0, 2.0, 10.0]
    assert len(raw["loads"][1]["latencies_ms"]) == 225
    assert [each["ours"]["turns_per_s"] for each in raw["side_by_side"]] == [2.0, 20.0, 15.0, 10.0]
    assert raw["memory"]["conversations"] == 100


@pytest.mark.parametrize("values", [[], [0.0], [5.0, 10.0]])
def test_a_picture_is_sound_and_to_scale(values: list[float]) -> None:
    picture = bars("Turns & <more>", "turns/s", [Bar(f"<{each}>", each, ours=False) for each in values])
    root = ElementTree.fromstring(picture)
    widths = [float(each.get("width", 0)) for each in root.iter("{http://www.w3.org/2000/svg}rect")][1:]
    assert len(widths) == len(values)
    if len(widths) == 2:
        assert widths[1] == pytest.approx(2 * widths[0], abs=1)
    assert [each.text for each in root.iter("{http://www.w3.org/2000/svg}title")] == ["Turns & <more>"]
