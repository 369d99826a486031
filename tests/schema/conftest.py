"""Databases of their own, beside the stack's, on the same server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from helios.embedded.postgres import create_extensions
from helios.embedded.supervisor import Stack


def elsewhere(dsn: str, database: str) -> str:
    """The same server and role, another database."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{database}"))


@pytest.fixture
async def empty_database(stack: Stack) -> AsyncIterator[str]:
    """The owner's address of an empty database with the extensions, as the embedded stack makes it."""
    name = f"test_{uuid4().hex[:12]}"
    admin = await asyncpg.connect(stack.servers.admin_dsn)
    try:
        await admin.execute(f"CREATE DATABASE {name} OWNER helios_owner")
        await create_extensions(elsewhere(stack.servers.admin_dsn, name))
        yield elsewhere(stack.servers.owner_dsn, name)
    finally:
        await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await admin.close()


@pytest.fixture(scope="session")
async def admin(stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    """The superuser's connection to the stack's database: it reads the catalogue, and past row-level security."""
    connection = await asyncpg.connect(stack.servers.admin_dsn)
    yield connection
    await connection.close()
