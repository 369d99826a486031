"""One stack for all crash tests, and the seed of what they draw."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random, SystemRandom

import pytest

from tests.crash.bank import Bank, open_bank

ROUNDS = int(os.environ.get("HELIOS_CRASH_ROUNDS", "1"))
"""How often the tests that draw do so: 1 in an ordinary run, more in a soak."""


@pytest.fixture(scope="package")
async def bank(tmp_path_factory: pytest.TempPathFactory, filled: Path) -> AsyncIterator[Bank]:
    async with open_bank(tmp_path_factory.mktemp("crash") / "home", filled) as opened:
        yield opened


@pytest.fixture(scope="package")
def seed() -> int:
    """HELIOS_CRASH_SEED, or a new one."""
    return int(os.environ.get("HELIOS_CRASH_SEED") or SystemRandom().randrange(1_000_000))


@pytest.fixture
def random(seed: int, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Random:
    """A generator of this test's own, so that each can be run alone with the same draws."""
    with capsys.disabled():
        print(f"\n{request.node.name}: HELIOS_CRASH_SEED={seed}", flush=True)
    return Random(f"{seed}/{request.node.name}")


@pytest.fixture(scope="session")
def rounds() -> int:
    return ROUNDS
