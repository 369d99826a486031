"""The stack that the benchmarks run on: `helios up` with a home of its own, a provider, and load-making processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx

from benchmarks.load import Measured, Talk
from benchmarks.processes import cpu_by_group
from helios.embedded.errors import StackError
from helios.embedded.home import Home
from helios.embedded.keys import load_keys
from helios.embedded.postgres import DATABASE, roles
from helios.settings import PROJECT

START_WITHIN_S = 180.0
STOP_WITHIN_S = 40.0
UP = ("-m", "helios", "up", "--no-conversation")
LANGGRAPH_DATABASE = "bench_langgraph"
SAVERS = 16
# Two processes of each kind must fit into PostgreSQL's 100 connections together with the stack's own.
POOL_SIZE = 6

Groups = dict[str, list[int]]


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack and how to reach it."""

    pid: int
    described: dict[str, Any] = field(repr=False)
    env: dict[str, str] = field(repr=False)
    admin_dsn: str = field(repr=False)
    langgraph_dsn: str = field(repr=False)

    @property
    def pids(self) -> dict[str, Any]:
        pids: dict[str, Any] = self.described["pids"]
        return pids

    def groups(self) -> Groups:
        """Process ids by what they are; the supervisor only looks on, and counts as `supervisor`."""
        pids = self.pids
        return {
            "api": [pids["api"]],
            "workers": list(pids["workers"]),
            "Temporal": [pids["temporal"]],
            "PostgreSQL": [pids["postgres"]],
            "Valkey": [pids["valkey"]],
        }

    async def talks(self, count: int) -> list[Talk]:
        """New conversations, each with a customer of its own."""
        demo = self.described["demo"]
        async with httpx.AsyncClient(base_url=self.described["api_url"], timeout=30) as client:

            async def one() -> Talk:
                signed = await client.post(
                    "/v1/customer-tokens",
                    json={"external_id": f"bench-{uuid4()}"},
                    headers={"X-API-Key": demo["api_key"]},
                )
                customer = signed.raise_for_status().json()
                headers = {"Authorization": f"Bearer {customer['access_token']}"}
                opened = await client.post("/v1/conversations", json={}, headers=headers)
                conversation = opened.raise_for_status().json()["id"]
                return Talk(conversation, customer["customer_id"], await self.tenant_id(), customer["access_token"])

            made: list[Talk] = []
            while len(made) < count:
                made += await asyncio.gather(*(one() for _ in range(min(8, count - len(made)))))
            return made

    async def tenant_id(self) -> str:
        found = await self.query("SELECT id FROM tenants WHERE slug = $1", self.described["demo"]["tenant"])
        return str(found[0]["id"])

    async def query(self, sql: str, *values: object) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.admin_dsn)
        try:
            return list(await connection.fetch(sql, *values))
        finally:
            await connection.close()

    async def outcomes(self, talks: Sequence[Talk]) -> dict[str, int]:
        """How the turns of these conversations ended."""
        rows = await self.query(
            "SELECT coalesce(outcome, 'unfinished') AS outcome, count(*) AS turns FROM turns "
            "WHERE conversation_id = ANY($1::uuid[]) GROUP BY 1",
            [talk.conversation_id for talk in talks],
        )
        return {row["outcome"]: row["turns"] for row in rows}


@asynccontextmanager
async def running_stack(home: Path, env: Mapping[str, str], command: Sequence[str] = UP) -> AsyncIterator[Stack]:
    """`python -m helios up` with these settings, until the end of the block. The data stays in `home`."""
    file = home / "stack.json"
    own = {"HELIOS_HOME": str(home), "HELIOS_WATCH_PARENT": str(os.getpid())}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *command),
        # Limits are counted as ever, and out of reach of one machine that sends everything.
        env={**os.environ, "HELIOS_RATE_LIMITS": "1000", **env, **own},
        cwd=PROJECT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(START_WITHIN_S):
            while not file.exists():
                if process.returncode is not None:
                    raise StackError(f"The benchmarks' stack ended with {process.returncode}; its logs are in {home}.")
                await asyncio.sleep(0.1)
        yield attach(process.pid, home, json.loads(file.read_text()), env)
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOP_WITHIN_S)


def attach(pid: int, home: Path, described: dict[str, Any], env: Mapping[str, str]) -> Stack:
    """A stack that runs already, as its stack.json describes it. `pid` is its supervisor's."""
    keys = load_keys(Home(home), has_data=True)
    port = int(described["postgres_dsn"].rsplit(":", 1)[1].split("/")[0])
    drivers = {
        **env,
        "HELIOS_HOME": str(home),
        "HELIOS_POSTGRES_DSN": described["postgres_dsn"],
        "HELIOS_REDIS_URL": described["redis_url"],
        "HELIOS_TEMPORAL_ADDRESS": described["temporal_address"],
        "HELIOS_API_PORT": described["api_url"].rsplit(":", 1)[1],
        "HELIOS_ROOT_KEY": keys.root_key,
    }
    langgraph_dsn = roles(keys, port, LANGGRAPH_DATABASE).admin
    return Stack(pid, described, drivers, roles(keys, port, DATABASE).admin, langgraph_dsn)


class Child:
    """A helper process that speaks JSON lines."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.pid = process.pid

    async def hear(self, event: str) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"a load-making process ended while it was to say {event!r}")
        said: dict[str, Any] = json.loads(line)
        assert said.get("event", event) == event, said
        return said

    def ask(self, **what: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what).encode() + b"\n")


@asynccontextmanager
async def child(module: str, *arguments: str, env: Mapping[str, str]) -> AsyncIterator[Child]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        env={**os.environ, **env},
        cwd=PROJECT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**24,
    )
    try:
        yield Child(process)
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


@asynccontextmanager
async def provider(scenario: str = "answer") -> AsyncIterator[tuple[Child, str]]:
    """A server that speaks the OpenAI protocol without delay, on loopback: (process, base URL)."""
    async with child("tests.llm.provider_server", "--scenario", scenario, env={}) as process:
        yield process, (await process.hear("listening"))["openai_base_url"]


async def load(
    drivers: Sequence[Child],
    talks: Sequence[Talk],
    warm_up_s: float,
    seconds: float,
    groups: Groups,
    variant: str | None,
) -> tuple[Measured, dict[str, float]]:
    """Lets the drivers talk, the conversations shared out among them: what they measured, and CPU seconds by group."""
    shares = [list(talks)[n :: len(drivers)] for n in range(len(drivers))]
    used = [(driver, share) for driver, share in zip(drivers, shares, strict=True) if share]
    for driver, share in used:
        asked: dict[str, Any] = {"talks": [asdict(each) for each in share], "warm_up_s": warm_up_s, "seconds": seconds}
        driver.ask(**asked, **({"variant": variant} if variant else {}))
    await asyncio.gather(*(driver.hear("begin") for driver, _ in used))
    before = cpu_by_group(groups)
    await asyncio.gather(*(driver.hear("end") for driver, _ in used))
    after = cpu_by_group(groups)
    total = Measured()
    for said in await asyncio.gather(*(driver.hear("measured") for driver, _ in used)):
        total.latencies_ms += said["latencies_ms"]
        total.turns += said["turns"]
        total.sent += said["sent"]
    return total, {name: after[name] - before[name] for name in groups}
