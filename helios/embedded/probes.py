"""Does a server answer? Each probe is one short conversation in the server's own protocol, without its client."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from helios.embedded.ports import LOOPBACK

ANSWER_TIMEOUT_S = 2.0


async def _exchange(port: int, request: bytes, host: str = LOOPBACK) -> bytes:
    """Send `request`, return the first bytes of the answer; empty if there is none in time."""
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(request)
                await writer.drain()
                return await reader.read(256)
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return b""


async def http_answers(url: str) -> bool:
    """Whether a GET of `url` (plain http) is answered with 2xx."""
    parts = urlsplit(url)
    host, path = parts.hostname or LOOPBACK, parts.path or "/"
    request = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
    answer = await _exchange(parts.port or 80, request.encode(), host)
    return answer.startswith(b"HTTP/1.") and answer[9:10] == b"2"


async def valkey_answers(port: int, password: str) -> bool:
    """Whether Valkey takes the password and is done loading its file."""
    answer = await _exchange(port, f"AUTH {password}\r\nPING\r\n".encode())
    return answer.endswith(b"+PONG\r\n")


async def postgres_answers(dsn: str) -> bool:
    """Whether PostgreSQL lets this role in and runs a statement."""
    import asyncpg

    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            connection = await asyncpg.connect(dsn)
            try:
                return bool(await connection.fetchval("SELECT 1") == 1)
            finally:
                await connection.close()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
