"""Measures this build on this machine: turns, LangGraph beside them, first token, memory, history, checks.

Runs on a stack of its own, about six minutes, `--quick` two. Writes docs/benchmarks.md with a picture and the raw
numbers. `make bench` installs LangGraph for the comparison; without it that part is left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from pathlib import Path

from helios.embedded.errors import StackError
from helios.embedded.progress import progress
from helios.embedded.supervisor import run as run_until_told
from helios.settings import settings

NAMES = ("turns", "langgraph", "first-token", "memory", "history", "encryption", "checks", "noisy")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(NAMES)}; default all")
    parser.add_argument("--quick", action="store_true", help="shorter measurements, fewer variants")
    parser.add_argument("--json", action="store_true", help="print the raw numbers, write no file")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write there instead of into docs/")


def run(args: argparse.Namespace) -> int:
    names = tuple(args.names) or NAMES
    if unknown := set(names) - set(NAMES):
        print(f"There is no benchmark {', '.join(sorted(unknown))}. There are: {', '.join(NAMES)}.", file=sys.stderr)
        return 2
    if importlib.util.find_spec("psutil") is None:
        raise StackError("The benchmarks need their own packages: `make bench` installs them.")
    if "langgraph" in names and importlib.util.find_spec("langgraph") is None:
        if args.names:
            raise StackError("LangGraph is not installed here: `make bench` installs it.")
        names = tuple(name for name in names if name != "langgraph")
        print("  LangGraph is not installed here and is left out; `make bench` installs it.", file=sys.stderr)
    command = "python -m helios bench" + "".join(f" {name}" for name in args.names) + (" --quick" if args.quick else "")

    async def body() -> None:
        from benchmarks.machine import facts
        from benchmarks.report import as_json, write
        from benchmarks.suite import measure

        machine = facts(command)
        with progress() as report:
            results = await measure(names, quick=args.quick, report=report)
        if args.json:
            print(json.dumps(as_json(results, machine), indent=1))
        else:
            print(f"\n  Written: {write(results, machine, args.out)}")
        if results.broken:
            raise StackError("Not measured to the end:\n" + "\n".join(results.broken))

    return run_until_told(body, settings())
