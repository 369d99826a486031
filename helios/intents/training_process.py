"""Trains in a process of its own: it computes for minutes on a large set, takes much memory, and may be killed.

As a module it is that process: the sets on its standard input, a dot for each step on its standard output, then a line
with the report and the model. It reads no setting and holds no key. Limits: 15 minutes of CPU, 3 GiB, one thread, and
the lowest priority: turns go first.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from helios.intents.training import Set, evaluate, trained
from helios.settings import PROJECT

CPU_S: Final = 900
MEMORY: Final = 3 * 1024**3
WALL_S: Final = 3_600.0
"""At the lowest priority on a busy machine 15 minutes of CPU take longer."""
ONE_THREAD: Final = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}
STEP, END = b".", b"\n"


TOO_COSTLY: Final = 3
"""The exit code where memory was not enough."""


class TooCostly(Exception):
    """A limit was met."""


@dataclass(frozen=True, slots=True)
class Trained:
    report: dict[str, Any]
    weights: bytes
    """As `IntentClassifier.from_bytes` reads it."""


async def train_apart(
    mine: Set, theirs: Set | None, progress: Callable[[], object], *, cpu_s: int = CPU_S, wall_s: float = WALL_S
) -> Trained:
    """Calls `progress` after each fold. Raises `TooCostly`, and `RuntimeError` where the process crashed."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, str(cpu_s), stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL,
        cwd=PROJECT, env=ONE_THREAD,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(wall_s):
            with suppress(ConnectionError):  # its end is told by what it returns
                process.stdin.write(_packed(mine, theirs))
                await process.stdin.drain()
                process.stdin.close()
            while await process.stdout.read(1) == STEP:
                progress()
            report = await process.stdout.read()
            code = await process.wait()
    except TimeoutError:
        raise TooCostly from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code != 0:
        raise TooCostly if code < 0 or code == TOO_COSTLY else RuntimeError(f"training ended with {code}")
    return _unpacked(report)


def _packed(mine: Set, theirs: Set | None) -> bytes:
    buffer = io.BytesIO()
    sets = [mine] if theirs is None else [mine, theirs]
    about = [[each.version, list(each.texts), [list(held) for held in each.intents]] for each in sets]
    parts: dict[str, Any] = {f"vectors{n}": each.vectors for n, each in enumerate(sets)}
    np.savez(buffer, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **parts)
    return buffer.getvalue()


def _sets(packed: bytes) -> list[Set]:
    with np.load(io.BytesIO(packed), allow_pickle=False) as read:
        about = json.loads(read["about"].tobytes())
        return [
            Set(version, texts, [tuple(held) for held in intents], read[f"vectors{n}"])
            for n, (version, texts, intents) in enumerate(about)
        ]


def _unpacked(output: bytes) -> Trained:
    report, _, weights = output.partition(END)
    return Trained(json.loads(report), weights)


def main(cpu_s: int) -> int:
    """The exit code: 0 with what was trained, 3 where memory was not enough."""
    for limit, most in ((resource.RLIMIT_CPU, cpu_s), (resource.RLIMIT_AS, MEMORY)):
        with suppress(OSError, ValueError):  # not every platform has each of them
            resource.setrlimit(limit, (most, most))
    os.nice(19)
    mine, *others = _sets(sys.stdin.buffer.read())
    try:
        report = evaluate(mine, others[0] if others else None, _step)
        weights = trained(mine).to_bytes(half=True)
    except MemoryError:
        return TOO_COSTLY
    sys.stdout.buffer.write(END + json.dumps(report).encode() + END + weights)
    return 0


def _step() -> None:
    sys.stdout.buffer.write(STEP)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
