"""`make fuzz`: thousands of cases an operation against a stack of its own. Stopped, it goes on where it was.

What is done stands in a file, and for people in docs/fuzzing.md. All operations get on side by side, so that a run
that is stopped has thrown something at each.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from helios.commands.up import start_application
from helios.embedded.supervisor import running_stack
from helios.settings import PROJECT, Settings
from tests.fuzz.operations import operations
from tests.fuzz.state import Done, State, page, unexplained
from tests.fuzz.worker import Target, start, work

AT_ONCE = 200
PAGE = PROJECT / "docs" / "fuzzing.md"


async def fuzz(wanted: Mapping[str, int], state: State, processes: int) -> None:
    with tempfile.TemporaryDirectory(prefix="helios-fuzz-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # PostgreSQL runs under another account where we are root
        config = Settings(home=Path(folder) / "home", llm=("offline",), rate_limits=0)
        async with running_stack(config) as stack:
            await start_application(stack, config, lambda _title, _state: None)
            target = Target(stack.servers.api_url, stack.servers.app_dsn, stack.servers.keys.root_key)
            spawn = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(processes, spawn, initializer=start, initargs=(target,)) as pool:
                async with asyncio.TaskGroup() as group:
                    queue = Queue(wanted, state)
                    for _ in range(processes):
                        group.create_task(_throw(pool, queue, commit()))


class Queue:
    """Which operation is next: the one that is furthest behind, if nobody is at it."""

    def __init__(self, wanted: Mapping[str, int], state: State) -> None:
        self.state = state
        self._wanted = wanted
        self._busy: set[str] = set()

    def take(self) -> tuple[str, int] | None:
        """An operation and how many cases, None if nothing is left."""
        open_ = {
            label: done.cases / self._wanted[label]
            for label, done in self.state.all.items()
            if label not in self._busy and done.cases < self._wanted.get(label, 0) and not done.wrong
        }
        if not open_:
            return None
        label = min(open_, key=open_.__getitem__)
        self._busy.add(label)
        return label, min(AT_ONCE, self._wanted[label] - self.state.all[label].cases)

    def put(self, label: str) -> None:
        self._busy.remove(label)
        self.state.write()
        done = self.state.all[label]
        left = sum(self.state.all[each].cases < cases for each, cases in self._wanted.items())
        print(f"  {label}: {done.cases} of {self._wanted[label]}; {left} operations to go", flush=True)
        for wrong in done.wrong:
            print(f"  WRONG {wrong}", flush=True)


async def _throw(pool: ProcessPoolExecutor, queue: Queue, running: str) -> None:
    loop = asyncio.get_running_loop()
    while (taken := queue.take()) is not None:
        label, cases = taken
        done: Done = queue.state.all[label]
        thrown = await loop.run_in_executor(pool, work, label, cases, done.cases // AT_ONCE + 1)
        done.add(cases, thrown, running, f"{datetime.now(UTC):%Y-%m-%d}")
        queue.put(label)


def commit() -> str:
    """The commit that is running, with a + where something in it was changed."""
    told = subprocess.run(
        ["git", "describe", "--always", "--abbrev=10", "--dirty=+"],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return told.stdout.strip() or "unknown"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=2_000, help="an operation; a tenth where passwords are hashed")
    parser.add_argument("--state", type=Path, default=PROJECT / ".helios" / "fuzz.json", help="what is done")
    parser.add_argument("--again", action="store_true", help="forget what is done")
    parser.add_argument("--only", default="", metavar="TEXT", help="operations whose name contains this")
    parser.add_argument("--processes", type=int, default=5, help="how many throw side by side: each often waits")
    parser.add_argument("--page", type=Path, default=PAGE, help="where to write what was done, for people")
    args = parser.parse_args()
    if args.again:
        args.state.unlink(missing_ok=True)
    found = operations()
    wanted = {label: args.cases // 10 if each.slow else args.cases for label, each in found.items()}
    state = State(args.state, found)
    try:
        asked = {label: cases for label, cases in wanted.items() if args.only in label}
        asyncio.run(fuzz(asked, state, args.processes))
    finally:
        args.page.write_text(page(state, wanted))
    wrong = sum(bool(done.wrong) for done in state.all.values())
    print(f"{wrong} operations went wrong" if wrong else "No case went wrong")
    shut = unexplained(state, wanted)
    if shut:
        print(f"No case ended well, and it is not known why: {', '.join(shut)}")
    return 1 if wrong or shut else 0


if __name__ == "__main__":
    sys.exit(main())
