"""A process that throws: making a case takes more CPU time than answering it, so several work side by side."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from helios.crypto import RootKey
from helios.database import Database
from helios.keyring import Keyring, root_key
from tests.fuzz.callers import Crowd
from tests.fuzz.engine import Thrown, throw
from tests.fuzz.operations import Operation, operations

THINGS = 6


@dataclass(frozen=True, slots=True)
class Target:
    """The stack that is thrown at. Its keys are good as long as it runs."""

    url: str
    dsn: str = field(repr=False)
    root: str = field(repr=False)

    def root_key(self, database: Database) -> RootKey:
        return Keyring(root_key(self.root), database).root


class Thrower:
    """What a process keeps from throw to throw: the operations, and its own people."""

    def __init__(self, target: Target) -> None:
        self._target, self._operations = target, operations()
        self._runner = asyncio.Runner()
        self._crowd = self._runner.run(self._gather())

    def throw(self, label: str, cases: int, number: int) -> Thrown:
        operation: Operation = self._operations[label]
        callers = self._runner.run(self._crowd.get(operation))
        return throw(operation, self._target.url, callers, cases, number)

    async def _gather(self) -> Crowd:
        database = Database(self._target.dsn, pool_size=2)
        return Crowd(self._target.url, database, self._target.root_key(database), THINGS)


_kept: list[Thrower] = []


def start(target: Target) -> None:
    _kept.append(Thrower(target))


def work(label: str, cases: int, number: int) -> Thrown:
    return _kept[0].throw(label, cases, number)
