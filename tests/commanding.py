"""`python -m helios …` in a process of its own.

It is forked from one that has loaded the code: to load it again for each command takes two seconds of a core.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from helios.__main__ import main
from helios.commands import COMMANDS
from helios.settings import PROJECT

LOADED = multiprocessing.get_context("forkserver")
LOADED.set_forkserver_preload([f"helios.commands.{name}" for name in COMMANDS])


@dataclass(frozen=True, slots=True)
class Ended:
    returncode: int
    stdout: str
    stderr: str


def helios(*words: str, env: Mapping[str, str]) -> Ended:
    """`env` is the whole environment but for where programs are found."""
    with TemporaryDirectory(prefix="helios-command-") as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        process = LOADED.Process(target=_run, args=(words, {"PATH": os.environ["PATH"], **env}, out, err))
        process.start()
        process.join()
        assert process.exitcode is not None
        return Ended(process.exitcode, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8"))


async def running_helios(*words: str, env: Mapping[str, str]) -> Ended:
    """The same, beside what else goes on here."""
    return await asyncio.to_thread(helios, *words, env=env)


def _run(words: tuple[str, ...], env: dict[str, str], out: Path, err: Path) -> None:
    os.environ.clear()
    os.environ.update(env)
    os.chdir(PROJECT)
    for file, descriptor in ((out, 1), (err, 2)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), descriptor)
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 - for as long as the process lives
    sys.exit(main(words))
