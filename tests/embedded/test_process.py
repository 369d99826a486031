"""Children die with their parent, by the kernel's help and by the watcher's, which other systems need."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helios.embedded.keeper import BACKOFF_LAST_S, Keeper, Part, _pause_s
from helios.embedded.process import Command, command_line, spawn
from helios.settings import PROJECT
from tests.embedded.processes import lives, wait_gone, wait_until

PARENT = """
import sys, time
from pathlib import Path
from helios.embedded.process import Command, spawn
folder = Path(sys.argv[1])
command = Command([sys.executable, "-c", "import time; time.sleep(600)"], folder / "child.log", folder, {})
child = spawn(command, watch_pipe=sys.argv[2] == "pipe")
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize(
    "way",
    [pytest.param("kernel", marks=pytest.mark.skipif(sys.platform != "linux", reason="Linux only")), "pipe"],
)
def test_a_child_dies_with_its_parent(tmp_path: Path, way: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path), way], cwd=PROJECT, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        wait_until(lambda: "time.sleep(600)" in command_line(child) and "launch.py" not in command_line(child), "exec")
        assert lives(child)
        parent.kill()
    wait_gone([child])


def _command(folder: Path, code: str) -> Command:
    return Command([sys.executable, "-c", code], folder / "child.log", folder, {})


async def test_a_child_that_does_not_heed_is_ended(tmp_path: Path) -> None:
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    )
    child = spawn(_command(tmp_path, stubborn))
    wait_until(lambda: "up" in child.last_lines(), "the child")
    await child.stop(grace_s=0.2)
    assert child.exit_code == -9


async def test_last_lines_are_this_process_own(tmp_path: Path) -> None:
    first = spawn(_command(tmp_path, "print('first')"))
    assert await first.wait(10)
    second = spawn(_command(tmp_path, "print('second')"))
    assert await second.wait(10)
    assert second.last_lines() == "second"


async def test_what_cannot_be_started_is_said_in_its_log(tmp_path: Path) -> None:
    child = spawn(Command([tmp_path / "nothing"], tmp_path / "child.log", tmp_path, {}))
    assert await child.wait(10)
    assert child.last_lines() == f"cannot start {tmp_path / 'nothing'}: [Errno 2] No such file or directory"


async def _part(folder: Path, flag: Path) -> Part:
    """A part that lives, and answers, as long as `flag` is there."""
    flag.touch()
    code = f"import pathlib, time\nwhile pathlib.Path({str(flag)!r}).exists(): time.sleep(0.01)"

    async def ready() -> bool:
        return flag.exists()

    return Part("p", "Part", _command(folder, code), ready)


async def _until_said(said: list[str], word: str, times: int) -> None:
    while sum(word in state for state in said) < times:
        await asyncio.sleep(0.01)


async def test_a_part_that_keeps_dying_is_tried_until_it_lives(tmp_path: Path) -> None:
    said: list[str] = []
    keeper = Keeper(lambda _title, state: said.append(state))
    flag = tmp_path / "flag"
    await keeper.start(await _part(tmp_path, flag))
    first = keeper.pids["p"]
    flag.unlink()
    await _until_said(said, "died (exit code 0)", 3)
    flag.touch()
    assert await keeper.wait_ready("p", other_than=first) != first
    await keeper.stop("p", grace_s=1.0)
    assert keeper.pids == {}


async def test_a_home_that_vanishes_leaves_a_supervisor_that_still_heeds(tmp_path: Path) -> None:
    said: list[str] = []
    keeper = Keeper(lambda _title, state: said.append(state))
    folder = tmp_path / "home"
    folder.mkdir()
    await keeper.start(await _part(folder, tmp_path / "flag"))
    keeper._running["p"].started -= 3600  # it had been stable
    shutil.rmtree(folder)
    (tmp_path / "flag").unlink()
    await _until_said(said, "No such file", 2)
    async with asyncio.timeout(2):
        await keeper.stop("p", grace_s=1.0)
    assert len(said) < 12  # it paused between its tries


def test_pauses_grow_to_a_limit() -> None:
    pauses = [_pause_s(failures) for failures in range(2000)]
    assert pauses[0] == 0
    assert pauses == sorted(pauses)
    assert pauses[-1] == BACKOFF_LAST_S
