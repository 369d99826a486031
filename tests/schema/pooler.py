"""A real PgBouncer in front of the stack's PostgreSQL, started by the script that the compose file uses."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from helios.embedded.supervisor import Stack
from helios.settings import PROJECT

SCRIPT = PROJECT / "deploy" / "pgbouncer" / "start.sh"


def require_pgbouncer() -> None:
    """Skips where it is not installed; in CI that is a failure."""
    if shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None:
        missing = "pgbouncer is not installed (Debian and Ubuntu: apt-get install pgbouncer)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)


@asynccontextmanager
async def pgbouncer(stack: Stack, connections: int) -> AsyncIterator[str]:
    """Yields the application role's address through it. It has so many connections to the server."""
    server = urlsplit(stack.servers.app_dsn)
    with socket.socket() as probe, tempfile.TemporaryDirectory() as folder:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        Path(folder).chmod(0o777)
        environment = {
            "PATH": f"{os.environ['PATH']}:/usr/sbin",
            "POSTGRES_APP_PASSWORD": server.password or "",
            "POSTGRES_HOST": server.hostname or "",
            "POSTGRES_PORT": str(server.port),
            "PGBOUNCER_ADDRESS": "127.0.0.1",
            "PGBOUNCER_PORT": str(port),
            "PGBOUNCER_POOL_SIZE": str(connections),
            "PGBOUNCER_FOLDER": folder,
        }
        # It refuses to run as root.
        as_nobody: dict[str, Any] = (
            {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        )
        process = await asyncio.create_subprocess_exec(
            "sh", SCRIPT, env=environment, stderr=asyncio.subprocess.PIPE, **as_nobody
        )
        try:
            await _listens(process, port)
            yield urlunsplit(server._replace(netloc=f"{server.username}:{server.password}@127.0.0.1:{port}"))
        finally:
            if process.returncode is None:
                process.terminate()
            await process.communicate()


async def _listens(process: asyncio.subprocess.Process, port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            if process.returncode is not None:
                assert process.stderr is not None
                raise AssertionError((await process.stderr.read()).decode())
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
