"""Looks for a word in everything that an embedded stack keeps: tables, Valkey, and every file of its servers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import asyncpg
from redis.asyncio import Redis

from helios.embedded.supervisor import Stack


async def places_with(stack: Stack, *words: str) -> list[str]:
    """Where one of the words is, in UTF-8 or UTF-16: a table, a key of Valkey, or a file below HELIOS_HOME.

    Raises `PermissionError` for a file that cannot be read: it might hold one.
    """
    wanted = [word.encode(form) for word in words for form in ("utf-8", "utf-16-le")]
    found = [*await _tables(stack, wanted), *await _valkey(stack, wanted)]
    return sorted(found + await asyncio.to_thread(lambda: list(_files(stack.servers.home.root, wanted))))


async def _tables(stack: Stack, wanted: list[bytes]) -> set[str]:
    """Every row of every table, bytes as they are, as a dump would have them."""
    found = set()
    connection = await asyncpg.connect(stack.servers.admin_dsn)
    try:
        for (table,) in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
            for row in await connection.fetch(f'SELECT * FROM "{table}"'):  # noqa: S608 - a name out of the catalogue
                for value in row.values():
                    if _holds(value if isinstance(value, bytes) else str(value).encode(), wanted):
                        found.add(f"table {table}")
    finally:
        await connection.close()
    return found


async def _valkey(stack: Stack, wanted: list[bytes]) -> set[str]:
    async with Redis.from_url(stack.servers.redis_url) as valkey:
        names = [name async for name in valkey.scan_iter("*", count=1_000)]
        return {f"valkey {name!r}" for name in names if _holds(name + (await valkey.dump(name) or b""), wanted)}


def _files(home: Path, wanted: list[bytes]) -> Iterator[str]:
    """With write-ahead logs, Temporal's store and all logs. What a server deletes in this moment is gone."""
    for path in home.rglob("*"):
        try:
            if path.is_file() and _holds(path.read_bytes(), wanted):
                yield str(path.relative_to(home))
        except FileNotFoundError:
            continue


def _holds(content: bytes, wanted: list[bytes]) -> bool:
    return any(each in content for each in wanted)
