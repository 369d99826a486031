"""Plays the scripted tour against a stack of its own on free ports, and says of each step whether it did what it says.

Exit code 0 when every step held. Nothing of it stays behind.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import httpx

from helios.commands.conversation import console
from helios.commands.tour import STEPS, Broken, Guide
from helios.commands.up import start_application
from helios.embedded.progress import progress
from helios.embedded.supervisor import run as run_until_told
from helios.embedded.supervisor import running_stack
from helios.settings import Settings, settings

# Slow enough to watch an answer being written, and to kill its writer in the middle.
WORDS_PER_S = 25.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--keep", action="store_true", help="keep the demo's data and logs")


def run(args: argparse.Namespace) -> int:
    base = settings().home
    base.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="demo-", dir=base))
    config = settings().model_copy(update={"home": home, "offline_words_per_s": WORDS_PER_S, "llm": ("offline",)})
    held: list[bool] = []
    try:
        code = run_until_told(lambda: _play(config, held), config)
    finally:
        if not args.keep:
            shutil.rmtree(home, ignore_errors=True)
    if code:
        return code
    return 0 if held and all(held) else 1


async def _play(config: Settings, held: list[bool]) -> None:
    with progress() as report:
        async with running_stack(config, report=report) as stack:
            await start_application(stack, config, report)
            guide = Guide(stack)
            for step in STEPS:
                console.rule(f"[bold]{step.number}. {step.title}", align="left")
                try:
                    await step.play(guide)
                except (Broken, httpx.HTTPError, TimeoutError) as broken:
                    held.append(False)
                    console.print(f"  [bold red]✗ {broken or type(broken).__name__}[/bold red]")
                else:
                    held.append(True)
            good = sum(held)
            console.rule(f"[bold]{good} of {len(held)} steps did what they say", align="left")
