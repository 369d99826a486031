"""The whole document, a hundred cases an operation: no 5xx, every answer as described. `make fuzz` throws more."""

from __future__ import annotations

import asyncio

import pytest

from api.app import create_app
from helios.database import Database
from helios.embedded.supervisor import Stack
from helios.keyring import Keyring
from helios.settings import Settings
from tests.fuzz.callers import Crowd
from tests.fuzz.engine import load, slow, throw

CASES = 100
DOCUMENT = create_app(Settings()).openapi()
OPERATIONS = load(DOCUMENT)


@pytest.fixture(scope="module")
def crowd(stack: Stack, database: Database, keyring: Keyring) -> Crowd:
    return Crowd(stack.servers.api_url, database, keyring.root)


@pytest.mark.parametrize("label", OPERATIONS)
async def test_no_case_breaks_it_and_every_answer_is_as_described(stack: Stack, crowd: Crowd, label: str) -> None:
    cases = CASES // 10 if slow(label) else CASES
    assert not await asyncio.to_thread(throw, OPERATIONS[label], stack.servers.api_url, await crowd.get(), cases, 1)
