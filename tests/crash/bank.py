"""The stack that is broken on purpose: real servers, an API, two workers with traps, a provider that writes slowly."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from helios.commands.up import start_application
from helios.database import Database
from helios.embedded.servers import silent
from helios.embedded.supervisor import Stack, running_stack
from helios.frames import connect
from helios.keyring import Keyring, root_key
from helios.settings import Settings
from tests.caller import Api
from tests.crash.faults import Faults
from tests.filled_home import copy_home
from tests.llm.provider_server import ProviderServer, provider_server
from tests.llm.provider_wire import Scenario

WORKER = Path(__file__).with_name("crashing_worker.py")
ANSWER = (
    "You can do this yourself in the app. [1] Open the menu and choose what you would like to change. [1] "
    "The change is there at once, and you can see it in the list. [1] "
    "You can also come to a branch, and somebody there will do it with you. [1] "
    "If anything looks odd to you, write to us here and we will look at it together. [1]"
)
SLOWLY = Scenario(text=ANSWER, delay_s=0.015)
WORDS_PER_S = "60"
WORKERS = 2
TASK_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class Bank:
    """All that a crash test needs."""

    stack: Stack
    api: Api
    database: Database
    keyring: Keyring
    tenant_id: UUID
    faults: Faults
    provider: ProviderServer

    def kill(self, name: str) -> int:
        """Kills a part of the stack with -9; its process id."""
        pid = self.stack.servers.pids[name]
        os.kill(pid, signal.SIGKILL)
        return pid

    async def forget(self) -> None:
        """Valkey loses everything that it holds."""
        async with connect(self.stack.servers.redis_url) as fresh:
            await fresh.flushall()

    async def back(self, name: str, other_than: int) -> None:
        """Waits until a killed part answers again."""
        await self.stack.servers.keeper.wait_ready(name, other_than=other_than)


@asynccontextmanager
async def open_bank(home: Path, filled: Path) -> AsyncIterator[Bank]:
    """Starts everything on a copy of `filled` and waits until both workers take tasks."""
    copy_home(filled, home)
    faults = Faults(home.parent / "faults")
    # One program is the parent of all workers. The deadline is a good part of every wait after a kill.
    config = Settings(home=home, llm=("openai", "offline"), workers=1, workflow_task_timeout_s=TASK_TIMEOUT_S)
    worker = [str(WORKER), str(faults.folder), str(WORKERS)]
    async with provider_server(SLOWLY) as provider:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("HELIOS_LLM", "openai,offline")
            environment.setenv("HELIOS_OFFLINE_WORDS_PER_S", WORDS_PER_S)
            environment.setenv("OPENAI_API_KEY", "sk-not-a-key")
            environment.setenv("OPENAI_BASE_URL", provider.openai_base_url)
            async with running_stack(config) as stack:
                await start_application(stack, config, silent, worker)
                await faults.until_workers(WORKERS)
                async with _opened(stack, faults, provider) as bank:
                    yield bank


@asynccontextmanager
async def _opened(stack: Stack, faults: Faults, provider: ProviderServer) -> AsyncIterator[Bank]:
    database = Database(stack.servers.app_dsn, pool_size=4)
    keyring = Keyring(root_key(stack.servers.keys.root_key), database)
    async with database.platform() as connection:
        tenant_id: Any = (await connection.execute(text("SELECT id FROM tenants WHERE slug = 'meridian'"))).scalar_one()
    async with Api(stack.servers.api_url, stack.description()["demo"]) as api:
        try:
            yield Bank(stack, api, database, keyring, tenant_id, faults, provider)
        finally:
            await database.close()
