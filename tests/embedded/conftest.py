"""Stacks of these tests' own: their servers are killed here, so nobody else's tests may stand on them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from helios.embedded.servers import Servers, embedded_servers
from helios.settings import Settings


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Servers]:
    async with embedded_servers(Settings(home=tmp_path_factory.mktemp("stack") / "home")) as running:
        yield running


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")
