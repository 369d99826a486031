"""Starts everything on this machine: servers, API, workers and the demo bank; plays one conversation; keeps serving.

Ctrl-C stops it cleanly. The data stays in HELIOS_HOME (default .helios) for the next time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable

import httpx

from helios.commands.conversation import Customer, play
from helios.demo_bank.people import DemoSecrets, load_secrets
from helios.embedded.errors import StackError
from helios.embedded.keeper import Report
from helios.embedded.progress import progress
from helios.embedded.supervisor import Program, Stack, run as run_until_told, running_stack
from helios.settings import PROJECT, Settings, settings

QUESTION = "What does it cost to send money abroad?"
READY_WITHIN_S = 90.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-conversation", action="store_true", help="don't play a conversation first")


def run(args: argparse.Namespace) -> int:
    config = settings()

    async def body() -> None:
        with progress() as report:
            async with running_stack(config, report=report) as stack:
                await start_application(stack, config, report)
                if not args.no_conversation:
                    await _play_one(stack)
                print_addresses(stack)
                await stack.forever()

    return run_until_told(body, config)


async def start_application(stack: Stack, config: Settings, report: Report) -> DemoSecrets:
    """Migrates, seeds, and starts the API and the workers; stack.json is there when this returns."""
    env = {**os.environ, **stack.servers.env()}
    report("Database", "starting")
    await _command(env, "migrate")
    await _command({**env, "HELIOS_EMBEDDER_THREADS": "2"}, "seed")
    report("Database", "migrated, demo bank in place")
    port = stack.servers.ports.api
    helios = [sys.executable, "-m", "helios"]
    workers = [Program(f"worker-{n}", [*helios, "worker"], title=f"Worker {n}") for n in range(1, config.workers + 1)]
    api = Program("api", [*helios, "api", "--port", str(port)], ready=_answers(stack, "/healthz"), title="API")
    await stack.start(api, *workers)
    report("Workers", "starting")
    await _until(_answers(stack, "/readyz"), READY_WITHIN_S)
    report("Workers", "ready")
    people = load_secrets(stack.servers.home.root / "keys" / "demo.json")
    if people is None:
        raise StackError("The demo bank's keys are missing: remove HELIOS_HOME/keys/demo.json and start again.")
    stack.announce(people.public())
    return people


async def _command(env: dict[str, str], *words: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "helios", *words, env=env, cwd=PROJECT, stdout=sys.stderr, stderr=asyncio.subprocess.PIPE
    )
    try:
        _, err = await process.communicate()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise
    if process.returncode:
        last = "\n".join(err.decode(errors="replace").splitlines()[-12:])
        raise StackError(f"`helios {' '.join(words)}` failed:\n{last}")


def _answers(stack: Stack, path: str) -> Callable[[], Awaitable[bool]]:
    url = stack.servers.api_url + path

    async def ready() -> bool:
        try:
            async with httpx.AsyncClient(timeout=3) as client:
                return (await client.get(url)).status_code == 200
        except httpx.HTTPError:
            return False

    return ready


async def _until(ready: Callable[[], Awaitable[bool]], within_s: float) -> None:
    async with asyncio.timeout(within_s):
        while not await ready():
            await asyncio.sleep(0.2)


async def _play_one(stack: Stack) -> None:
    demo = stack.description()["demo"]
    async with Customer(stack.servers.api_url, demo["api_key"], "make-up") as customer:
        await play(customer, QUESTION)


def print_addresses(stack: Stack) -> None:
    description = stack.description()
    url, demo = description["api_url"], description["demo"]
    lines = [
        ("Chat page", f"{url}/chat"),
        ("API docs", f"{url}/docs"),
        ("Temporal UI", description["temporal_ui_url"]),
    ]
    print("\n".join(f"  {name:<12} {where}" for name, where in lines))
    print(f"\n  Sign-ins of the demo bank (tenant {demo['tenant']}):")
    for role, user in demo["users"].items():
        print(f"    {role:<20} {user['email']:<38} {user['password']}")
    worker = description["pids"]["workers"][0] if description["pids"]["workers"] else "PID"
    print(f"\n  Try it: `python -m helios chat`, and `kill -9 {worker}` in the middle of an answer.")
    print("  Ctrl-C stops everything; the data stays.\n", flush=True)
