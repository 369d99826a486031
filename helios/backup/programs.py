"""PostgreSQL's own programs for backups, with the password in their environment and never on a command line."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from helios.embedded.errors import StackError
from helios.embedded.postgres import ENVIRONMENT, programs


async def run(program: str, dsn: str, *arguments: str) -> None:
    """Raises `StackError` with the program's last words."""
    at = urlsplit(dsn)
    env = {**ENVIRONMENT, "PGHOST": str(at.hostname), "PGPORT": str(at.port), "PGUSER": str(at.username),
           "PGPASSWORD": str(at.password), "PGDATABASE": at.path.removeprefix("/")}  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        programs() / program, *arguments, env=env, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await process.communicate()
    if process.returncode != 0:
        raise StackError(f"{program} failed: {said.decode(errors='replace').strip()[-500:]}")
