"""The folder that one stack lives in (`HELIOS_HOME`), and the lock that keeps it to one stack at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from helios.embedded.errors import StackError

PRIVATE = 0o700
PASSABLE = 0o711


@dataclass(frozen=True, slots=True)
class Home:
    """Paths of one stack. Only the servers' own folders hold data; everything in `keys` is secret."""

    root: Path

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def valkey(self) -> Path:
        return self.root / "valkey"

    @property
    def temporal(self) -> Path:
        return self.root / "temporal"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def ports_file(self) -> Path:
        return self.root / "ports.json"

    @property
    def stack_file(self) -> Path:
        return self.root / "stack.json"

    @property
    def lock_file(self) -> Path:
        return self.root / "lock"

    def prepare(self) -> None:
        """Make the folders that are missing.

        Root's PostgreSQL runs under another account, which must be able to pass through: so a root's home is made
        passable, not readable, and each folder in it stays private. A home that exists keeps the mode it has.
        """
        try:
            if not self.root.exists():
                self.root.mkdir(parents=True)
                self.root.chmod(PASSABLE if os.geteuid() == 0 else PRIVATE)
            for folder in (self.postgres, self.valkey, self.temporal, self.logs, self.keys):
                folder.mkdir(exist_ok=True, mode=PRIVATE)
        except OSError as error:
            raise StackError(
                f"The folder {self.root} cannot be used: {error.strerror}. "
                "Make it writable for this account, or set HELIOS_HOME to a folder that is."
            ) from error

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Hold the home for this process. Yields whether the last stack here ended without stopping (kill -9).

        The kernel drops the lock with the process that holds it, so a lock is never stale.

        Raises:
            StackError: another live process holds it.
        """
        descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                holder = os.read(descriptor, 32).decode().strip()
                who = f"process {holder}" if holder else "another process"
                raise StackError(
                    f"A stack is already running in {self.root} ({who}). "
                    "Stop it first, or set HELIOS_HOME to another folder to run a second one."
                ) from error
            unclean = bool(os.read(descriptor, 32))
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            try:
                yield unclean
            finally:
                os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)
