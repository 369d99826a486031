"""The results as a page, a picture and raw numbers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.chart import Bar, bars
from benchmarks.encryption import Encryption
from benchmarks.first_token import FirstToken
from benchmarks.history import History
from benchmarks.measures import Load, Pair, joined, percentile
from benchmarks.memory import Memory
from benchmarks.noisy import Noisy
from benchmarks.suite import Results
from helios.settings import PROJECT

PAGE = PROJECT / "docs" / "benchmarks.md"
RAW = PROJECT / "docs" / "benchmarks.json"
PICTURE = PROJECT / "docs" / "benchmarks.svg"
MIB = 2**20
_SIDES = ("ours", "theirs")
HEAD = ("system", "generator", "conversations", "turns", "p50 ms", "p99 ms", "turns/s", "CPU ms", "of which")

WHAT_SURVIVES = """\
What each gives for its price:

| | HeliosCS on Temporal | LangGraph, `sync` | LangGraph, `async` (the default) |
|---|---|---|---|
| the process dies in a turn | another worker goes on within seconds, by itself | the checkpoint of the last finished node is there; \
something of yours must notice and call the graph again | as `sync`, but the last checkpoints may be missing |
| the process dies between acceptance and the first node | the signal or the sweeper starts the turn | nothing knows of it \
until something of yours looks | the same |
| two processes take the same turn | the server gives it to one; a late one is refused | not prevented | not prevented |
| retries, timers, deadlines, waiting for a person | durable, for months | yours to build, or a scheduler beside it | the same |
| a turn is done once | by the product's keys in PostgreSQL, in both systems: the graph calls the same functions | | |
| what the engine stores | ids, enums and scores, encrypted | the state, readable: here the search query is in it | the same |
"""


def as_json(results: Results, machine: Mapping[str, str]) -> dict[str, Any]:
    """Everything that was measured, one value a turn where there is one."""
    loads = [
        {**asdict(load), "latencies_ms": [round(each, 2) for each in load.latencies_ms], "turns_per_s": load.turns_per_s,
         "p50_ms": load.p50, "p99_ms": load.p99} for load in results.loads
    ]  # fmt: skip
    return {
        "machine": dict(machine),
        "quick": results.quick,
        "loads": loads,
        "side_by_side": _by_turns(results.pairs),
        "first_token": [asdict(each) for each in results.first_token],
        "memory": asdict(results.memory) if results.memory else None,
        "history": asdict(results.history) if results.history else None,
        "encryption": asdict(results.encryption) if results.encryption else None,
        "checks": _by_turns(results.checks),
        "noisy": {**asdict(results.noisy), "ratio": results.noisy.ratio} if results.noisy else None,
        "broken": results.broken,
    }


def _by_turns(pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    return [
        {"conversations": pair.ours.conversations, **{side: _in_short(getattr(pair, side)) for side in _SIDES}}
        for pair in pairs
    ]


def _in_short(load: Load) -> dict[str, float]:
    return {"turns_per_s": load.turns_per_s, "p50_ms": load.p50, "cpu_ms": load.product_cpu_ms}


def write(results: Results, machine: Mapping[str, str], folder: Path | None = None) -> Path:
    """Writes page, picture and raw numbers; the page's path."""
    page, raw, picture = (folder / path.name if folder else path for path in (PAGE, RAW, PICTURE))
    page.parent.mkdir(parents=True, exist_ok=True)
    raw.write_text(json.dumps(as_json(results, machine), indent=1) + "\n", encoding="utf-8")
    compared = [load for load in results.loads if load.conversations == 50 and _beside_each_other(load)]
    if compared:
        rows = [Bar(_name(load), load.turns_per_s, load.system == "workflow") for load in compared]
        picture.write_text(bars("Turns per second at 50 conversations", "turns/s", rows), encoding="utf-8")
    page.write_text(_page(results, machine, picture if compared else None), encoding="utf-8")
    return page


def _page(results: Results, machine: Mapping[str, str], picture: Path | None) -> str:
    parts = ["# Benchmarks", "", f"Written by `{machine['Command']}`; the raw numbers are in `{RAW.name}`.", ""]
    if results.quick:
        parts += ["**A quick run:** short measurements, fewer variants.", ""]
    parts += _table(("", ""), machine.items())
    if results.loads:
        parts += _turns(results.loads, results.pairs, picture)
    if results.first_token:
        parts += _first_token(results.first_token)
    if results.memory:
        parts += _memory(results.memory)
    if results.history:
        parts += _history(results.history)
    if results.encryption:
        parts += _encryption(results.encryption)
    if results.checks:
        parts += _checks(results.checks)
    if results.noisy:
        parts += _noisy(results.noisy)
    if results.broken:
        parts += ["", "## Not measured to the end", "", *(f"- {each}" for each in results.broken)]
    return "\n".join(parts)


def _turns(loads: Sequence[Load], pairs: Sequence[Pair], picture: Path | None) -> list[str]:
    parts = [
        "## Turns",
        "",
        "A provider that answers at once (OpenAI's protocol over loopback), or the offline generator.",
    ]
    parts += [
        "Every conversation sends its next message as soon as its last turn ended. CPU is per turn, all processes",
        "",
    ]
    parts[-2] += " of the system, PostgreSQL's children included, the provider not."
    parts += _table(HEAD, (_row(load) for load in loads))
    compared = [load for load in loads if _beside_each_other(load)]
    if any(load.system.startswith("LangGraph") for load in compared):
        parts += ["## Beside LangGraph", ""]
        if picture is not None:
            parts += [f"![Turns per second at 50 conversations]({picture.name})", ""]
        parts += _aims(pairs)
        parts += [
            "Both run by turns on the same PostgreSQL, ours and the graph again and again, so that a machine that slows down "
            "does so for both; they accept messages by the same function, and do the same work with the "
            "same functions: masking, encryption, screening, embedding, intent, retrieval, generation over HTTP, the checks of "
            "every window, frames to Valkey, delivery with its facts and audit event. The graph has one node for each of the "
            "eight steps (`three`: joined as our workflow joins them), AsyncPostgresSaver with 16 savers in all, and runs in "
            "the processes that make its load; our client is counted too. Our stack idles beside the "
            "graph: what that takes is below.",
            "",
            WHAT_SURVIVES,
        ]
    return parts


def _aims(pairs: Sequence[Pair]) -> list[str]:
    """The medians of the rounds, and how far the rounds are apart."""
    lines = []
    if many := [pair for pair in pairs if pair.ours.conversations == 50]:
        shares = sorted(pair.ours.turns_per_s / pair.theirs.turns_per_s for pair in many)
        ours, theirs = (median(getattr(pair, side).turns_per_s for pair in many) for side in _SIDES)
        cpu, their_cpu = (median(getattr(pair, side).product_cpu_ms for pair in many) for side in _SIDES)
        lines.append(
            f"- Turns/s at 50 conversations: {ours:.1f} against {theirs:.1f}, **{median(shares):.2f} times** "
            f"({shares[0]:.2f} to {shares[-1]:.2f} in {len(shares)} rounds; aim: 1.2). CPU a turn: {cpu:.0f} ms against "
            f"{their_cpu:.0f} ms."
        )
    if alone := [pair for pair in pairs if pair.ours.conversations == 1]:
        ours, theirs = (median(getattr(pair, side).p50 for pair in alone) for side in _SIDES)
        lines.append(f"- Alone, p50: **{ours:.0f} ms** against {theirs:.0f} ms (aim: no higher).")
    return [*lines, ""]


def _beside_each_other(load: Load) -> bool:
    return load.generator == "openai" and load.system != "http"


def _name(load: Load) -> str:
    return "HeliosCS" if load.system == "workflow" else load.system


def _row(load: Load) -> tuple[object, ...]:
    split = ", ".join(f"{name} {took:.0f}" for name, took in load.cpu_ms.items() if name != "provider" and took >= 0.5)
    numbers = (f"{load.p50:.0f}", f"{load.p99:.0f}", f"{load.turns_per_s:.1f}", f"{load.product_cpu_ms:.0f}", split)
    return (_name(load), load.generator, load.conversations, load.turns, *numbers)


def _first_token(measured: Sequence[FirstToken]) -> list[str]:
    parts = [
        "## First token",
        "",
        "From the provider's first token to the first words at the client, through the public API's",
    ]
    parts[-1] += (
        " stream. `window` is the provider's own time until a sentence or clause is complete: nothing leaves before"
    )
    parts += ["its window passed the checks. `ours` is the rest (aim: 40 ms or less).", ""]
    head = ("provider", "turns", "whole p50 / p99 ms", "window p50 / p99 ms", "ours p50 / p99 ms")
    rows = (
        (each.speed, len(each.whole), _both(each.whole), _both(each.window), f"**{_both(each.overhead)}**")
        for each in measured
    )
    return [*parts, *_table(head, rows)]


def _both(values: Sequence[float]) -> str:
    return f"{percentile(values, 0.5):.0f} / {percentile(values, 0.99):.0f}"


def _memory(memory: Memory) -> list[str]:
    aims = {"whole": "1.3 GB", "one worker": "350 MB", "API": "200 MB"}
    rows = [(part, f"{size / MIB:.0f}", aims.get(part, "")) for part, size in memory.idle.items()]
    parts = ["## Memory", "", "The embedded stack at rest with two workers, proportional set size in MiB.", ""]
    parts += _table(("part", "MiB", "aim"), rows)
    added = f"1,000 open conversations, each with a turn behind it, add **{memory.per_thousand / MIB:.0f} MiB** to workers and "
    added += f"Temporal together (measured with {memory.conversations:,}). "
    return [*parts, added + f"At rest all of it takes {memory.idle_cpu:.1%} of one core.", ""]


def _encryption(encryption: Encryption) -> list[str]:
    return [
        "## Encryption",
        "",
        f"A turn seals and opens {encryption.payloads:.1f} payloads of Temporal and {encryption.values:.1f} columns and frames, "
        f"{encryption.sealed_bytes / 1000:.1f} kB together. That takes {encryption.on_ms:.2f} ms of CPU with encryption and "
        f"{encryption.off_ms:.2f} ms without: encryption costs a turn **{encryption.on_ms - encryption.off_ms:.2f} ms** of CPU "
        f"(what {encryption.turns} turns of a conversation left behind, in one process; the product has no switch for it).",
        "",
    ]


def _checks(pairs: Sequence[Pair]) -> list[str]:
    rows, lines = [], []
    for count in sorted({pair.ours.conversations for pair in pairs}):
        rounds = [pair for pair in pairs if pair.ours.conversations == count]
        checked, unchecked = (joined([getattr(pair, side) for pair in rounds]) for side in _SIDES)
        rows += [_row(checked), _row(unchecked)]
        cpu_ms = checked.product_cpu_ms - unchecked.product_cpu_ms
        lines.append(
            f"- {count} conversation{'s' if count > 1 else ''}: **{checked.turns_per_s / unchecked.turns_per_s:.2f} times** "
            f"the turns/s, {cpu_ms:+.0f} ms of CPU a turn, p50 {checked.p50 - unchecked.p50:+.0f} ms, with them."
        )
    return [
        "## What the checks cost",
        "",
        *lines,
        "",
        "The product beside itself without its checks, each on a stack of its own, by turns: no personal data, names, "
        "situations and injections are looked for in what is asked, no instructions in what is found, and no window and no "
        "whole answer is judged. The encoder's pass stays, since retrieval needs it. The product has no switch for this: "
        "`benchmarks/unchecked.py` puts workers of its own in place of the product's.",
        "",
        *_table(HEAD, rows),
    ]


def _history(history: History) -> list[str]:
    parts = ["## History and replay", ""]
    parts.append(
        f"A conversation of {history.turns} turns: {history.events:,} events in {history.runs} "
        f"run{'s' if history.runs > 1 else ''}, **{history.bytes / 1000:.0f} kB** in all (aim: under 1 MB). Of its "
        f"{history.texts} different texts and phrases, {history.found_sealed} occur in the history as the server holds it, and "
        f"**{history.found_opened}** after decrypting every payload."
    )
    parts += ["", "Cold replay, as by a worker that has just started (production settings):", ""]
    rows = ((each.events, f"{each.fetch_ms:.0f}", f"{each.replay_ms:.0f}") for each in history.replays)
    return [*parts, *_table(("events", "reading ms", "replay ms"), rows)]


def _noisy(noisy: Noisy) -> list[str]:
    runs = zip(noisy.calm_p95_ms, noisy.noisy_p95_ms, strict=True)
    answers = ", ".join(f"{count} × {status}" for status, count in sorted(noisy.answers.items()))
    rows = ((n, f"{calm:.0f}", f"{loud:.0f}", f"{loud / calm:.2f}") for n, (calm, loud) in enumerate(runs, 1))
    return [
        "## A noisy tenant",
        "",
        f"One tenant sends ten times its share, and another's customers go on at their pace: their p95 is "
        f"**{noisy.ratio:.2f} times** what it was (median; aim: at most 1.5). The noisy one was answered {answers}.",
        "",
        *_table(("run", "p95 calm ms", "p95 noisy ms", "ratio"), rows),
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return [*lines, *("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows), ""]
