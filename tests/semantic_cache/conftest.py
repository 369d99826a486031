"""A stack whose answers come from a provider that counts, and a demo bank that uses the semantic cache."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text

from tests.crash.bank import Bank, open_bank
from tests.semantic_cache.asking import switch


@pytest.fixture(scope="package")
async def bank(tmp_path_factory: pytest.TempPathFactory, filled: Path) -> AsyncIterator[Bank]:
    async with open_bank(tmp_path_factory.mktemp("cache") / "home", filled) as opened:
        opened.provider.play("answer")
        await switch(opened.api, opened.tenant_id, enabled=True)
        yield opened


@pytest.fixture
def name() -> str:
    """Of a card that is in one test alone. Letters only: a figure in a name would be a figure."""
    letters = str.maketrans("0123456789abcdef", "ghijklmnopqrstuv")
    return f"Kakapo{uuid4().hex[:8].translate(letters)}"


@pytest.fixture(autouse=True)
async def emptied(bank: Bank) -> None:
    """What one test keeps serves no other."""
    async with bank.database.tenant(bank.tenant_id) as connection:
        await connection.execute(text("DELETE FROM cached_answers WHERE tenant_id = :t"), {"t": bank.tenant_id})
