"""Keep a set of processes running: start each, wait until it answers, start it again when it dies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from helios.embedded.errors import StackError
from helios.embedded.process import Child, Command, spawn

PROBE_S = 0.03
WATCH_S = 0.1
BACKOFF_FIRST_S = 0.1
BACKOFF_LAST_S = 5.0
STABLE_S = 2.0
"""A process that lived this long is restarted at once, without a growing pause."""

STARTING = "starting"
Report = Callable[[str, str], None]
"""Progress for a person: (part's title, what it is doing)."""


@asynccontextmanager
async def together() -> AsyncIterator[asyncio.TaskGroup]:
    """A task group whose first failure is raised as itself, not inside a group."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def _nothing() -> None:
    return


async def _yes() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the stack."""

    name: str
    title: str
    command: Command
    ready: Callable[[], Awaitable[bool]] = _yes
    log_sign: str = ""
    """What its log must hold besides: for a server whose port could as well be another stack's, which answers too."""
    prepare: Callable[[], Awaitable[None]] = _nothing
    """Runs before every start: clears what a killed predecessor left behind."""
    start_timeout_s: float = 30.0
    retry_s: float = 0.0
    """How long a first start that ends at once is tried again (what is left of a killed predecessor is just dying)."""


@dataclass(slots=True)
class _Running:
    part: Part
    child: Child
    ready: bool
    started: float
    failures: int = 0
    watched: bool = False
    """Its first start is done and nobody has asked it to stop: a death is to be answered with a restart."""
    revival: asyncio.Task[None] | None = field(default=None, repr=False)


class Keeper:
    """The running parts. All methods belong to one event loop, and the loop to a thread that outlives the parts."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.on_change: Callable[[], None] = lambda: None
        """Called after each change of `pids`."""
        self._running: dict[str, _Running] = {}
        self._watcher: asyncio.Task[None] | None = None

    @property
    def pids(self) -> dict[str, int]:
        """The process id of each part, by name. A part that is being restarted shows its newest process."""
        return {name: running.child.pid for name, running in self._running.items()}

    def is_ready(self, name: str) -> bool:
        """Whether the part's present process is alive and has answered."""
        running = self._running[name]
        return running.ready and running.child.exit_code is None

    async def wait_ready(self, name: str, *, other_than: int | None = None, timeout_s: float = 30.0) -> int:
        """Wait until a part answers (as a process other than `other_than`), return its pid.

        Raises:
            TimeoutError: it has not come back in time.
        """
        async with asyncio.timeout(timeout_s):
            while not self.is_ready(name) or self.pids[name] == other_than:  # noqa: ASYNC110 - a process has no event
                await asyncio.sleep(PROBE_S)
        return self.pids[name]

    async def start(self, part: Part) -> None:
        """Start a part and wait until it answers; from then on it is kept running.

        Raises:
            StackError: it ended, or did not answer in time; with the last lines of its log.
        """
        self._report(part.title, STARTING)
        began = time.monotonic()
        while True:
            await part.prepare()
            child = spawn(part.command)
            self._running[part.name] = running = _Running(part, child, ready=False, started=time.monotonic())
            try:
                await self._until_ready(running)
                running.watched = True
                break
            except StackError:
                await self._discard(part.name)
                if time.monotonic() - began >= part.retry_s:
                    raise
            except BaseException:
                await self._discard(part.name)
                raise
            await asyncio.sleep(BACKOFF_FIRST_S)
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._watch())
        self._report(part.title, f"ready in {time.monotonic() - began:.1f} s")
        self._changed()

    async def _discard(self, name: str) -> None:
        running = self._running.pop(name)
        await running.child.stop(grace_s=2.0)

    async def _until_ready(self, running: _Running) -> None:
        part, child = running.part, running.child
        deadline = time.monotonic() + part.start_timeout_s
        while True:
            if (code := child.exit_code) is not None:
                raise StackError(_why(part, child, f"ended with {_exit_words(code)}"))
            if part.log_sign in child.last_lines() and await part.ready():
                running.ready = True
                return
            if time.monotonic() > deadline:
                raise StackError(_why(part, child, f"did not answer within {part.start_timeout_s:.0f} s"))
            await asyncio.sleep(PROBE_S)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            for running in list(self._running.values()):
                if not running.watched or running.revival is not None or running.child.exit_code is None:
                    continue
                running.ready = False
                running.revival = asyncio.create_task(self._revive(running))

    async def _revive(self, running: _Running) -> None:
        part, why = running.part, _exit_words(running.child.exit_code)
        running.failures = 0 if time.monotonic() - running.started > STABLE_S else running.failures + 1
        while True:
            self._report(part.title, f"died ({why}), starting it again")
            await asyncio.sleep(_pause_s(running.failures))
            running.started = time.monotonic()
            running.failures += 1
            try:
                await part.prepare()
                running.child = spawn(part.command)
                self._changed()
                await self._until_ready(running)
            except OSError as error:  # for example: somebody removed the home
                why = str(error)
            except StackError:  # its log says more
                why = _exit_words(running.child.exit_code)
                await running.child.stop(grace_s=1.0)
            else:
                self._report(part.title, f"back in {time.monotonic() - running.started:.1f} s")
                running.revival = None
                return

    def _changed(self) -> None:
        try:
            self.on_change()
        except OSError as error:
            self._report("Stack", f"cannot write down where it is: {error.strerror}")

    async def stop(self, *names: str, grace_s: float) -> None:
        """Stop these parts together, each with `grace_s` to end by itself."""
        present = [self._running[name] for name in names if name in self._running]
        for running in present:
            running.watched = False
            if running.revival is not None:
                running.revival.cancel()
                with suppress(asyncio.CancelledError):
                    await running.revival
        await asyncio.gather(*(running.child.stop(grace_s) for running in present))
        for running in present:
            self._running.pop(running.part.name, None)
        if not self._running and self._watcher is not None:
            self._watcher.cancel()
            with suppress(asyncio.CancelledError):
                await self._watcher
            self._watcher = None
        self._changed()


def _pause_s(failures: int) -> float:
    """Nothing before the first new start, then ever longer."""
    return min(BACKOFF_LAST_S, BACKOFF_FIRST_S * 2 ** min(failures - 1, 10)) if failures else 0.0


def _exit_words(code: int | None) -> str:
    if code is None:
        return "no answer"
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _why(part: Part, child: Child, what: str) -> str:
    lines = child.last_lines() or "(nothing)"
    indented = "\n".join(f"    {line}" for line in lines.splitlines())
    return f"{part.title} {what}.\nThe end of {child.command.log}:\n{indented}"
