"""Starts everything on this machine: servers, API, workers and the demo bank; plays one conversation; keeps serving.

Ctrl-C stops it cleanly. The data stays in HELIOS_HOME (default .helios) for the next time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import asyncpg

from helios.backup.restoring import require_whole
from helios.commands.conversation import Customer, play
from helios.demo_bank import in_place
from helios.demo_bank.people import load_secrets, secrets_file
from helios.embedded.errors import StackError
from helios.embedded.home import Home
from helios.embedded.keeper import Report, together
from helios.embedded.probes import http_answers
from helios.embedded.process import last_lines
from helios.embedded.progress import progress
from helios.embedded.supervisor import Program, Stack, running_stack
from helios.embedded.supervisor import run as run_until_told
from helios.embedders.config import EmbedderConfigError
from helios.llm.chain import GeneratorConfigError, check_chain
from helios.settings import Settings, settings

WORKER = ("-m", "helios", "worker")
QUESTION = "What does it cost to send money abroad?"
READY_WITHIN_S = 90.0
GREETED_WITHIN_S = 120.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-conversation", action="store_true", help="don't play a conversation first")


def run(args: argparse.Namespace) -> int:
    return serve(play_first=not args.no_conversation)


def serve(*, play_first: bool, worker: Sequence[str] = WORKER) -> int:
    """Until it is told to stop; the exit code. `worker` as in `start_application`."""
    config, began = settings(), time.monotonic()
    try:
        check_chain(config)
        _check_embedders(config)
    except (GeneratorConfigError, EmbedderConfigError) as error:
        print(f"{error}.", file=sys.stderr)
        return 1

    require_whole(Home(config.home.expanduser().absolute()))

    async def body() -> None:
        with progress() as report:
            async with running_stack(config, report=report) as stack:
                await start_application(stack, config, report, worker)
                if play_first:
                    await greet(stack.servers.api_url, stack.description()["demo"]["api_key"])
                print_addresses(stack)
                took_s = time.monotonic() - began
                print(f"  Ready in {took_s:.1f} s. Ctrl-C stops everything; the data stays.\n", flush=True)
                await stack.forever()

    return run_until_told(body, config)


def _check_embedders(config: Settings) -> None:
    """What each process would find wrong is said once, before any of them starts. Raises `EmbedderConfigError`."""
    if config.embedders:
        from helios.embedders.registry import build_embedders
        from helios.models.embedder import Embedder

        build_embedders(config, lambda: Embedder.load(config))


async def start_application(stack: Stack, config: Settings, report: Report, worker: Sequence[str] = WORKER) -> None:
    """Migrates, seeds, and starts the API and the workers; stack.json is there when this returns.

    `worker`: what the interpreter is told to run as one.

    All at once: what takes the time is loading code, and none of them needs the tables before it is asked something.
    """
    helios = [sys.executable, "-m", "helios"]
    argv = [sys.executable, *worker]
    # What was asked for holds in every process; where the servers are, they say themselves.
    env = {name: value for name, value in config.environment().items() if name not in stack.servers.env()}
    workers = [Program(f"worker-{n}", argv, env, title=f"Worker {n}") for n in range(1, config.workers + 1)]
    port = stack.servers.ports.api
    api = Program("api", [*helios, "api", "--port", str(port)], env, ready=answers(stack, "/healthz"), title="API")
    async with together() as group:
        group.create_task(stack.start(api, *workers))
        group.create_task(fill_database(stack, report))
    report("Workers", "starting")
    await until(answers(stack, "/readyz"), READY_WITHIN_S)
    report("Workers", "ready")
    people = load_secrets(secrets_file(stack.servers.home.root))
    if people is None:
        raise StackError("The demo bank's keys are missing: remove HELIOS_HOME/keys/demo.json and start again.")
    stack.announce(people.public())


async def fill_database(stack: Stack, report: Report) -> None:
    """Migrates and seeds, unless all of that is there: two processes less at the moment when all others start."""
    home = stack.servers.home
    admin = await asyncpg.connect(stack.servers.admin_dsn)
    try:
        if await in_place.is_in_place(home, admin):
            report("Database", "in place")
            return
        await _migrate_and_seed(stack, report)
        await in_place.keep(home, admin)
    finally:
        await admin.close()


async def _migrate_and_seed(stack: Stack, report: Report) -> None:
    report("Database", "starting")
    helios = [sys.executable, "-m", "helios"]
    await stack.run_once(Program("migrate", [*helios, "migrate"], title="Database"))
    seed = Program("seed", [*helios, "seed"], {"HELIOS_EMBEDDER_THREADS": "2"}, title="Demo bank")
    telling = asyncio.create_task(_tell_progress(stack.servers.home.logs / "seed.log", report))
    try:
        await stack.run_once(seed)
    finally:
        telling.cancel()
    report("Database", "migrated, demo bank in place")


async def _tell_progress(log: Path, report: Report) -> None:
    """The first time takes a while: every article is cut and encoded. Say how far it is."""
    start, told = log.stat().st_size if log.exists() else 0, ""
    while True:
        await asyncio.sleep(1.0)
        line = last_lines(log, start, 1).strip()
        if line.startswith("knowledge") and line != told:
            told = line
            report("Demo bank", told)


def answers(stack: Stack, path: str) -> Callable[[], Awaitable[bool]]:
    return partial(http_answers, stack.servers.api_url + path)


async def until(ready: Callable[[], Awaitable[bool]], within_s: float) -> None:
    """Raises `StackError`: it is not, and where to look."""
    try:
        async with asyncio.timeout(within_s):
            while not await ready():
                await asyncio.sleep(0.2)
    except TimeoutError:
        why = f"The API and its workers are not ready after {within_s:.0f} s."
        raise StackError(f"{why} See logs/api.log and logs/worker-1.log in HELIOS_HOME.") from None


async def greet(api_url: str, api_key: str) -> None:
    """A first conversation, to look at. Whatever becomes of it, the stack serves."""
    try:
        async with asyncio.timeout(GREETED_WITHIN_S), Customer(api_url, api_key, "make-up") as customer:
            await play(customer, QUESTION)
    except Exception as error:
        why = str(error) if isinstance(error, StackError) else f"{type(error).__name__} {error}".strip()
        print(f"\n  The first conversation is left out. {why}\n", file=sys.stderr)


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
    workers = " ".join(map(str, description["pids"]["workers"]))
    python = os.path.relpath(sys.executable)
    print(f"\n  Try it: `{python} -m helios chat`, and `kill -9 {workers}` in the middle of an answer.")
