"""What processes cost: CPU time and memory, whole process trees at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import psutil


def tree(pid: int) -> list[psutil.Process]:
    """A process with all that it started, as far as they still live."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_seconds(pids: Sequence[int]) -> float:
    """User and system time of these trees so far, children that have ended included."""
    total = 0.0
    for pid in pids:
        for process in tree(pid):
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system + times.children_user + times.children_system
    return total


def cpu_by_group(groups: Mapping[str, Sequence[int]]) -> dict[str, float]:
    """CPU seconds so far, by the groups' names."""
    return {name: cpu_seconds(pids) for name, pids in groups.items()}


def memory_bytes(pid: int, *, children: bool = True) -> int:
    """Proportional set size: shared pages are shared out among their users, so sums over processes are true.

    On systems without it (macOS) the unique set size, which leaves shared pages out.
    """
    total = 0
    for process in tree(pid) if children else tree(pid)[:1]:
        try:
            info = process.memory_full_info()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        total += getattr(info, "pss", info.uss)
    return total
