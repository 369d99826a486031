"""One shot at a time: a test arms a point, and exactly one worker that reaches it is hit.

The order is a file in a folder that the test and the workers share, so that it survives every server. A worker claims
it by renaming it, which only one can.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from tests.crash.points import Point

Way = Literal["local", "remote", "any"]
"""Which conversations are meant: those answered in the worker's process, or by a provider."""
LOOK_S = 0.02


@dataclass(frozen=True, slots=True)
class Order:
    """Fires when the point is reached for the `skip + 1`th time, in whichever worker."""

    point: str
    way: Way = "any"
    skip: int = 0
    action: Literal["kill", "freeze"] = "kill"


class Faults:
    """The test's side. `folder` is the one that the workers were given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def arm(self, point: Point, way: Way = "any", *, skip: int = 0, action: Literal["kill", "freeze"] = "kill") -> None:
        order = self.folder / "order.new"
        order.write_text(json.dumps(asdict(Order(point.name, way, skip, action))), encoding="utf-8")
        order.rename(self.folder / "order")

    def disarm(self) -> None:
        (self.folder / "order").unlink(missing_ok=True)

    async def fired(self, within_s: float = 30.0) -> int:
        """Waits for the shot; the process id of the worker that it hit. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while not (hit := list(self.folder.glob("fired.*"))):
                await asyncio.sleep(LOOK_S)
        hit[0].unlink()
        return int(hit[0].suffix[1:])

    def workers(self) -> list[int]:
        """Process ids of the workers that live and take tasks."""
        return [pid for pid in self._ready() if _runs(pid)]

    def _ready(self) -> Iterator[int]:
        for file in sorted(self.folder.glob("ready.*")):
            with suppress(ValueError):
                yield int(file.suffix[1:])

    async def until_workers(self, count: int, within_s: float = 60.0) -> list[int]:
        """Waits until so many workers take tasks. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while len(found := self.workers()) < count:
                await asyncio.sleep(LOOK_S)
        return found


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (ProcessLookupError, PermissionError):
        return False
    except FileNotFoundError:  # no /proc here, or it has just gone
        return not Path("/proc/self").exists()
    return state != "Z"


class Trap:
    """The worker's side: asks at every point whether it is meant."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._order = folder / "order"
        self._seen: tuple[int, int] = (0, 0)

    def reached(self, name: str, way: str) -> None:
        """Ends or freezes this process if the order says so."""
        try:
            number = self._order.stat().st_ino
            order = Order(**json.loads(self._order.read_text(encoding="utf-8")))
        except (FileNotFoundError, json.JSONDecodeError):
            return
        if order.point != name or order.way not in ("any", way):
            return
        known, times = self._seen
        self._seen = (number, times + 1 if known == number else 1)
        if self._seen[1] <= order.skip:
            return
        try:
            self._order.rename(self._folder / f"fired.{os.getpid()}")
        except FileNotFoundError:
            return
        os.kill(os.getpid(), signal.SIGKILL if order.action == "kill" else signal.SIGSTOP)
