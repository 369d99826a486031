"""Child processes that die with this one, with their output in a log file."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

LAUNCHER = Path(__file__).with_name("launch.py")
LOG_LIMIT = 5_000_000
"""Bytes after which a log is set aside (one older log is kept) at the next start of its server."""
POLL_S = 0.05

AccountWay = Literal["switch", "switch-keeping-reach", "namespace"]


@dataclass(frozen=True, slots=True)
class Account:
    """How the launcher becomes another account: see the functions of the same names in `launch.py`."""

    way: AccountWay
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Command:
    """One program to run. `death_signal` is what it gets when its parent dies, `stop_signal` when it is to stop."""

    argv: Sequence[str | Path]
    log: Path
    folder: Path
    env: Mapping[str, str]
    stop_signal: int = signal.SIGTERM
    death_signal: int = signal.SIGKILL
    account: Account | None = None


def launcher_argv(command: Command, *, pipe: int | None) -> list[str]:
    """The command line that starts `command` through the launcher. `pipe`: a descriptor to watch, else the kernel."""
    account = command.account
    order = {
        "argv": [str(part) for part in command.argv],
        "folder": str(command.folder),
        "parent": os.getpid(),
        "death_signal": int(command.death_signal),
        "account": [account.way, account.uid, account.gid] if account else None,
        "pipe": pipe,
    }
    return [sys.executable, "-I", "-S", str(LAUNCHER), json.dumps(order)]


@dataclass(slots=True)
class Child:
    """A running process. The pid is the program's own: the launcher becomes it."""

    command: Command
    process: subprocess.Popen[bytes]
    log_start: int
    """Size of the log when this process began: what follows is its own."""
    _lifeline: int | None = field(default=None, repr=False)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        code = self.process.poll()
        if code is not None and self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
        return code

    def signal(self, number: int) -> None:
        if self.exit_code is None:
            self.process.send_signal(number)

    async def wait(self, timeout_s: float) -> bool:
        """Wait for its end; False if it still runs after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.exit_code is None:  # noqa: ASYNC110 - a process has no event
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            return False
        return True

    async def stop(self, grace_s: float) -> None:
        """Ask it to stop, and end it if it has not after `grace_s`."""
        self.signal(self.command.stop_signal)
        if not await self.wait(grace_s):
            self.signal(self.command.death_signal)
            if not await self.wait(2.0):
                self.signal(signal.SIGKILL)
                await self.wait(5.0)

    def last_lines(self, count: int = 12) -> str:
        """The end of what this process wrote."""
        return last_lines(self.command.log, self.log_start, count)


def last_lines(log: Path, start: int, count: int) -> str:
    """The last `count` lines of `log` after byte `start`."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(start, size - 16_384))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.strip().splitlines()[-count:])


def _open_log(path: Path) -> int:
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        path.replace(path.with_name(path.name + ".1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def spawn(command: Command, *, watch_pipe: bool = not sys.platform.startswith("linux")) -> Child:
    """Start `command` in a session of its own, so that a Ctrl-C in the terminal reaches only the supervisor.

    The kernel ties "dies with its parent" to the thread that starts the child: call this from a thread that lives as
    long as the process, in practice the main one.
    """
    log = _open_log(command.log)
    watched, lifeline = os.pipe() if watch_pipe else (None, None)
    try:
        start = os.fstat(log).st_size
        process = subprocess.Popen(
            launcher_argv(command, pipe=watched),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=dict(command.env),
            pass_fds=() if watched is None else (watched,),
            start_new_session=True,
        )
    finally:
        os.close(log)
        if watched is not None:
            os.close(watched)
    return Child(command, process, start, lifeline)


def run(command: Command) -> tuple[int, str]:
    """Run `command` to its end; its exit code and the end of what it wrote. For the short steps before a start."""
    child = spawn(command)
    child.process.wait()
    return child.exit_code or 0, child.last_lines()


def is_alive(pid: int) -> bool:
    """Whether a process with this id exists (a zombie counts)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def command_line(pid: int) -> str:
    """The command line of a process, empty if there is no such process or it is a zombie."""
    file = Path(f"/proc/{pid}/cmdline")
    if file.parent.parent.joinpath("self").exists():
        try:
            return file.read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            return ""
    answer = subprocess.run(["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return answer.stdout.strip()
