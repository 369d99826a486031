"""The whole stack as one command runs it: servers, application processes, `stack.json`, signals.

async def body() -> None:
    with progress() as report:
        async with running_stack(settings, report=report) as stack:
            ...migrate and seed with stack.servers.env()...
            await stack.start(Program("api", [...], ready=...), Program("worker-1", [...]))
            stack.announce(demo)
            await stack.forever()

sys.exit(run(body, settings))
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from helios.embedded.errors import StackError
from helios.embedded.keeper import Part, Report, together
from helios.embedded.keys import write_secret
from helios.embedded.process import Command, spawn
from helios.embedded.servers import NAMES, Servers, embedded_servers, silent
from helios.settings import PROJECT, Settings

DRAIN_S = 22.0
"""How long application processes may finish what they are doing: workers take up to 20 s, and then some to leave."""
PARENT_LOOK_S = 0.3
INTERRUPTED = 130
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
"""Set by container images for processes that start once. Ours start again and again, and compiling every library
each time takes 2.5 s of a core: more than all else that a process does to be ready."""


async def _yes() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Program:
    """One application process. Its name is its log's name; names that begin with `worker` are the workers."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    """On top of this process's environment and of `Servers.env()`."""
    ready: Callable[[], Awaitable[bool]] = _yes
    title: str = ""
    start_timeout_s: float = 60.0


class Stack:
    """A running stack: its servers, and the programs started on it. See `running_stack`."""

    def __init__(self, servers: Servers) -> None:
        self.servers = servers
        self._demo: Mapping[str, Any] | None = None
        self.programs: list[str] = []
        """Names of the programs that were started."""

    async def start(self, *programs: Program) -> None:
        """Start programs together and wait until each is ready. They are kept running, each with the same command.

        Raises:
            StackError: one of them did not start; with the last lines of its log.
        """
        parts = [self._part(program) for program in programs]
        self.programs += [program.name for program in programs]
        async with together() as group:
            for part in parts:
                group.create_task(self.servers.keeper.start(part))

    async def run_once(self, program: Program, timeout_s: float = 600.0) -> None:
        """Run a program to its end, such as a migration. Like the others it dies with this process.

        Raises:
            StackError: it failed or took too long; with the last lines of its log.
        """
        child = spawn(self._command(program))
        try:
            ended = await child.wait(timeout_s)
        finally:
            await child.stop(grace_s=5.0)
        if not ended or child.exit_code != 0:
            what = "failed" if ended else f"took more than {timeout_s:.0f} s"
            raise StackError(f"{program.title or program.name} {what}. The end of its log:\n{child.last_lines()}")

    def _command(self, program: Program) -> Command:
        home = self.servers.home
        env = {**os.environ, **self.servers.env(), "PYTHONUNBUFFERED": "1", **program.env}
        env.pop(NO_BYTECODE, None)
        return Command(program.argv, home.logs / f"{program.name}.log", PROJECT, env)

    def _part(self, program: Program) -> Part:
        title = program.title or program.name
        command = self._command(program)
        return Part(program.name, title, command, program.ready, start_timeout_s=program.start_timeout_s)

    async def stop_programs(self, drain_s: float = DRAIN_S) -> None:
        """Stop the programs together: each finishes what it is doing, for `drain_s` at most."""
        names, self.programs = self.programs, []
        if names:
            await self.servers.keeper.stop(*names, grace_s=drain_s)

    def announce(self, demo: Mapping[str, Any]) -> None:
        """From now on `stack.json` says where the stack is; it follows each restart of a process."""
        self._demo = demo
        self.servers.keeper.on_change = self.write_stack_file
        self.write_stack_file()

    def write_stack_file(self) -> None:
        """Write `stack.json` (mode 0600, replaced as a whole)."""
        write_secret(self.servers.home.stack_file, json.dumps(self.description(), indent=2) + "\n")

    def withdraw(self) -> None:
        """Remove `stack.json`: what it says is about to end."""
        self.servers.keeper.on_change = lambda: None
        self.servers.home.stack_file.unlink(missing_ok=True)

    def description(self) -> dict[str, Any]:
        """What `stack.json` says: see the contract, "Commands"."""
        servers, pids = self.servers, self.servers.pids
        return {
            "api_url": servers.api_url,
            "temporal_address": servers.temporal_address,
            "temporal_namespace": servers.temporal_namespace,
            "temporal_ui_url": servers.temporal_ui_url,
            "codec_url": servers.codec_url,
            "postgres_dsn": servers.app_dsn,
            "redis_url": servers.redis_url,
            "demo": dict(self._demo or {}),
            "pids": {
                "api": pids.get("api"),
                "workers": [pids[name] for name in sorted(pids) if name.startswith("worker")],
                **{name: pids.get(name) for name in NAMES},
            },
        }

    async def forever(self) -> None:
        """Wait until this task is cancelled, as `run` does when the stack is to stop."""
        await asyncio.Event().wait()


@asynccontextmanager
async def running_stack(settings: Settings, *, report: Report = silent) -> AsyncIterator[Stack]:
    """The servers, and a `Stack` to start programs on. At the end the programs stop first, then the servers.

    Raises:
        StackError: as `embedded_servers`.
    """
    async with embedded_servers(settings, report=report) as servers:
        stack = Stack(servers)
        stack.withdraw()  # one that a killed predecessor left
        try:
            yield stack
        finally:
            stack.withdraw()
            if stack.programs:
                report("Application", "stopping")
            await stack.stop_programs()


def run(body: Callable[[], Coroutine[Any, Any, None]], settings: Settings) -> int:
    """Run `body` until it ends or is told to stop; the exit code.

    The first Ctrl-C, SIGTERM, SIGHUP, or the death of the watched parent cancels `body`, which stops in good order.
    A second Ctrl-C ends this process at once, and all children die with it.
    """
    try:
        return asyncio.run(_until_told(body, settings))
    except StackError as error:
        print(f"\n{error}", file=sys.stderr)  # noqa: T201
        return 1


async def _until_told(body: Callable[[], Coroutine[Any, Any, None]], settings: Settings) -> int:
    task = asyncio.create_task(body())
    told = False

    def stop() -> None:
        nonlocal told
        if not told:
            told = True
            task.cancel()

    def interrupt() -> None:
        if told:  # a second Ctrl-C; only that: make passes a SIGTERM on, so that it may arrive twice
            with suppress(OSError):
                (settings.home / "stack.json").unlink(missing_ok=True)
            os._exit(INTERRUPTED)
        stop()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, interrupt)
    loop.add_signal_handler(signal.SIGTERM, stop)
    loop.add_signal_handler(signal.SIGHUP, stop)
    watcher = asyncio.create_task(_watch_parent(settings.watch_parent, stop))
    try:
        await task
    except asyncio.CancelledError:
        if not told:
            raise
    finally:
        watcher.cancel()
    return 0


async def _watch_parent(parent: int, stop: Callable[[], None]) -> None:
    """Stop when this process gets another parent than the one that it was told of (0: none)."""
    while not parent or os.getppid() == parent:  # noqa: ASYNC110 - the death of a parent is no event
        await asyncio.sleep(PARENT_LOOK_S)
    stop()
