"""The whole document, four cases an operation: no 5xx, every answer as described. `make fuzz` throws thousands."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.keyring import Keyring
from tests.fuzz.callers import Crowd
from tests.fuzz.engine import throw
from tests.fuzz.operations import OUT_OF_REACH, operations
from tests.test_published import PUBLIC

CASES = int(os.environ.get("HELIOS_FUZZ_CASES", "4"))
OPERATIONS = operations()


@pytest.fixture(scope="module")
async def crowd(stack: Stack, database: Database, keyring: Keyring) -> AsyncIterator[Crowd]:
    made = Crowd(stack.servers.api_url, database, keyring.root, each=1)
    yield made
    await made.close()


def test_it_is_known_who_may_ask() -> None:
    """Else nearly every case ends at the first door."""
    assert {label for label, each in OPERATIONS.items() if not each.roles} <= set(PUBLIC)


def test_what_is_out_of_reach_is_an_operation() -> None:
    assert set(OPERATIONS) >= OUT_OF_REACH.keys()


@pytest.mark.parametrize("label", OPERATIONS)
async def test_no_case_breaks_it_and_every_answer_is_as_described(stack: Stack, crowd: Crowd, label: str) -> None:
    operation = OPERATIONS[label]
    cases, callers = max(1, CASES // 10) if operation.slow else CASES, await crowd.get(operation)
    assert not (await asyncio.to_thread(throw, operation, stack.servers.api_url, callers, cases, 1)).wrong
