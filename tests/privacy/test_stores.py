"""The search over all stores finds a word wherever it is: what it does not find elsewhere is not there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import pytest
from redis.asyncio import Redis
from temporalio.client import Client

from helios.commands.searching import places_with
from helios.embedded.supervisor import Stack


@pytest.fixture
def word() -> str:
    return f"zaunkoenig{uuid4().hex}"


@asynccontextmanager
async def planted(stack: Stack, word: str) -> AsyncIterator[None]:
    """A word in the clear in a table, a key of Valkey, an input of Temporal and a log; taken away again."""
    log = stack.servers.home.logs / f"{uuid4()}.log"
    client = await Client.connect(stack.servers.temporal_address, namespace=stack.servers.temporal_namespace)
    admin = await asyncpg.connect(stack.servers.admin_dsn)
    async with Redis.from_url(stack.servers.redis_url) as valkey:
        try:
            log.write_text(f"{word}\n", encoding="utf-8")
            await admin.execute("CREATE TABLE planted AS SELECT $1::text AS word", word)
            await valkey.set("planted", f"{'a word among others ' * 40}{word}")
            run = await client.start_workflow("Nobody", word, id=str(uuid4()), task_queue="nobody")
            yield
            await run.terminate()
        finally:
            log.unlink()
            await admin.execute("DROP TABLE IF EXISTS planted")
            await admin.close()
            await valkey.delete("planted")


async def test_a_word_in_the_clear_is_found_in_every_store(stack: Stack, word: str) -> None:
    """In PostgreSQL also behind its back: the write-ahead log has it, whatever becomes of the row."""
    async with planted(stack, word):
        found = await places_with(stack, word)
    kinds = {place.split("/")[0].split()[0] for place in found}
    assert kinds == {"table", "valkey", "postgres", "temporal", "logs"}
    assert any("pg_wal" in place for place in found)
    assert "valkey b'planted'" in found
