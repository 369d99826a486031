"""The data of a stack with the demo bank in it, filled once for all processes that run the suite side by side.

Each test stack stands on a copy. Cutting and encoding the bank's articles takes both cores for a quarter of a minute,
and what it gives is the same for everybody.
"""

from __future__ import annotations

import fcntl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helios.commands.up import fill_database
from helios.embedded.home import Home
from helios.embedded.servers import silent
from helios.embedded.supervisor import running_stack
from helios.settings import Settings


async def filled_home(shared: Path) -> Path:
    """A HELIOS_HOME to copy. `shared`: a folder of all processes; whoever comes first fills, the others wait for it."""
    filled, draft = shared / "filled", shared / "filling"
    with _alone(shared / "filled.lock"):
        if not filled.exists():
            async with running_stack(Settings(home=draft)) as stack:
                await fill_database(stack, silent)
            Home(draft).ports_file.unlink()
            draft.rename(filled)
    return filled


def copy_home(filled: Path, home: Path) -> None:
    """By `cp`: under root the database's files belong to another account, which Python's own copy would not keep."""
    subprocess.run(["cp", "-a", filled, home], check=True)


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    with file.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
