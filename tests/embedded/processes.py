"""Looking at processes from outside, by their ids."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import psutil


def lives(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def descendants(pid: int) -> list[int]:
    """The process itself and everything that it started."""
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:.0f} s: {what}"
        time.sleep(0.02)


def wait_gone(pids: Iterable[int], timeout_s: float = 8.0) -> None:
    """Wait until none of them runs: orphans would be found here."""
    watched = list(pids)
    wait_until(lambda: not any(map(lives, watched)), f"the end of {watched}", timeout_s)
