"""What the audit log withstands and what it costs: `python -m benchmarks.audit` writes docs/audit-benchmark.md.

- **Mutations**: seeded falsifications with the superuser's rights, those of the test suite, each verified.
- **Rate**: transactions of one tenant with an event each, on 32 connections, while a sealer works beside them; and the
  same transactions with a hash chain inside, which have to wait for each other's end to know the hash before theirs.
- **Verification** of a log of many events, from its first to its last.

Only PostgreSQL takes part, as the embedded stack starts it. The rate is of a bare client (asyncpg): what is compared
are the two logs, not the layers above them.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy import insert

from benchmarks.environment import child
from benchmarks.machine import facts
from helios import audit
from helios.audit_log.anchors import FolderAnchor
from helios.audit_log.keys import rotate
from helios.audit_log.reading import Verdict
from helios.audit_log.sealer import EVERY_S, seal, seal_all
from helios.audit_log.verifier import verify_log
from helios.crypto import RootKey
from helios.database import Database
from helios.embedded.postgres import create_extensions
from helios.embedded.supervisor import Stack, running_stack
from helios.ids import new_id
from helios.migrations import migrate
from helios.rounds import rest_s
from helios.settings import PROJECT, Settings
from schema.tables import Tenant
from tests.audit_log.tampering import WAYS, put_back

PAGE = PROJECT / "docs" / "audit-benchmark.md"
ROOT = RootKey(bytes(32))
CLIENTS = 32
LAG_EVERY_S = 0.5

EVENT = (
    "INSERT INTO audits (tenant_id, id, action, actor_type, subject_type, subject_id, detail) "
    "VALUES ($1, $2, 'bench.written', 'system', 'conversation', $3, '{\"turn\": 1}')"
)
MANY = (
    "INSERT INTO audits (tenant_id, id, action, actor_type, subject_type, subject_id, detail) "
    "SELECT $1, gen_random_uuid(), 'bench.written', 'system', 'conversation', gen_random_uuid(), "
    "jsonb_build_object('turn', n) FROM generate_series(1, 1000) AS n"
)
LAG = (
    "SELECT coalesce(extract(epoch FROM now() - min(occurred_at)), 0)::float8 FROM audits WHERE tenant_id = $1 "
    "AND xid >= coalesce((SELECT sealed_below FROM audit_checkpoints WHERE tenant_id = $1 ORDER BY size DESC LIMIT 1), "
    "0)::text::xid8"
)
CHAIN = (
    "CREATE TABLE chain (tenant_id uuid PRIMARY KEY, head bytea NOT NULL); "
    "CREATE TABLE chained (tenant_id uuid, id uuid, event text, hash bytea, PRIMARY KEY (tenant_id, id))"
)
Transaction = Callable[[asyncpg.Connection, UUID], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Rate:
    """Transactions a second. `lag_s`: the longest that an event waited for its seal; `after_s`: until all were sealed
    when the load had ended."""

    per_s: float
    lag_s: float = 0.0
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Verified:
    events: int
    sealing_s: float
    verifying_s: float


async def with_an_event(connection: asyncpg.Connection, tenant_id: UUID) -> None:
    async with connection.transaction():
        await connection.execute(f"SELECT set_config('app.tenant_id', '{tenant_id.hex}', true)")
        await connection.execute(EVENT, tenant_id, new_id(), uuid4())


async def with_a_chain(connection: asyncpg.Connection, tenant_id: UUID) -> None:
    event = new_id()
    async with connection.transaction():
        before = await connection.fetchval("SELECT head FROM chain WHERE tenant_id = $1 FOR UPDATE", tenant_id)
        head = hashlib.sha256(before + event.bytes).digest()
        await connection.execute("INSERT INTO chained VALUES ($1, $2, $3, $4)", tenant_id, event, str(event), head)
        await connection.execute("UPDATE chain SET head = $2 WHERE tenant_id = $1", tenant_id, head)


async def rate_of(dsn: str, tenant_id: UUID, transaction: Transaction, seconds: float) -> float:
    connections = [await asyncpg.connect(dsn) for _ in range(CLIENTS)]
    ends, done = time.perf_counter() + seconds, 0

    async def client(connection: asyncpg.Connection) -> None:
        nonlocal done
        while time.perf_counter() < ends:
            await transaction(connection, tenant_id)
            done += 1

    try:
        await asyncio.gather(*(client(each) for each in connections))
    finally:
        for each in connections:
            await each.close()
    return done / seconds


async def measure_log(bench: Bench, seconds: float) -> Rate:
    async with child("benchmarks.audit", "--seal", bench.app, str(bench.folder), env={}) as sealer:
        await sealer.hear("ready")
        watching = asyncio.create_task(_longest_lag(bench))
        per_s = await rate_of(bench.app, bench.tenant_id, with_an_event, seconds)
        ended = time.perf_counter()
        while await bench.admin.fetchval(LAG, bench.tenant_id) > 0:  # noqa: ASYNC110 - it is in another process
            await asyncio.sleep(0.1)
        after = time.perf_counter() - ended
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
    return Rate(per_s, max(bench.lags, default=0.0), after)


async def _longest_lag(bench: Bench) -> None:
    connection = await asyncpg.connect(bench.superuser)
    try:
        while True:
            bench.lags.append(await connection.fetchval(LAG, bench.tenant_id))
            await asyncio.sleep(LAG_EVERY_S)
    finally:
        await connection.close()


async def measure_chain(bench: Bench, seconds: float) -> Rate:
    await bench.admin.execute(CHAIN)
    await bench.admin.execute("INSERT INTO chain VALUES ($1, $2)", bench.tenant_id, bytes(32))
    return Rate(await rate_of(bench.superuser, bench.tenant_id, with_a_chain, seconds))


async def measure_verification(bench: Bench, events: int) -> Verified:
    """A thousand events a transaction: how they got there is not what is measured."""
    for _ in range(events // 1000):
        await bench.admin.execute(MANY, bench.tenant_id)
    began = time.perf_counter()
    await bench.seal()
    sealed = time.perf_counter()
    report = await verify_log(bench.database, ROOT, bench.anchor, bench.tenant_id)
    if report.verdict is not Verdict.GOOD or report.size != events:
        raise RuntimeError(f"the log is not good: {report}")
    return Verified(events, sealed - began, time.perf_counter() - sealed)


async def measure_mutations(bench: Bench, mutations: int, number: int, say: Callable[[str], None]) -> dict[str, int]:
    """How many of each way were made. Raises where one is not found, or another entry than the first bad is named."""
    draw, made = random.Random(number), dict.fromkeys((way.name for way in WAYS), 0)
    for events in (3, 290, 17, 40):
        for turn in range(events):
            told = {"turn": turn, "score": turn / 7}
            async with bench.database.tenant(bench.tenant_id) as connection:
                await audit.record(connection, bench.tenant_id, "bench.written", actor=("system", None),
                                   subject=("conversation", uuid4()), detail=told)  # fmt: skip
        await bench.seal(batch=100)
        if events == 290:
            await rotate(bench.database, ROOT, bench.tenant_id)
    for n in range(mutations):
        way = WAYS[n % len(WAYS)]
        async with put_back(bench.admin):
            position = await way.forge(bench.admin, bench.tenant_id, draw)
            report = await verify_log(bench.database, ROOT, bench.anchor, bench.tenant_id)
        if report.verdict not in way.verdicts or position not in (None, report.position):
            raise RuntimeError(f"mutation {n} (seed {number}, {way.name}) was not found: {report}")
        made[way.name] += 1
        if n % 100 == 99:
            say(f"mutations: {n + 1} of {mutations} found")
    return made


class Bench:
    """A database of its own with the product's schema and one tenant."""

    def __init__(self, stack: Stack, name: str, folder: Path) -> None:
        servers = stack.servers
        self.app, self.superuser, self.owner = (
            dsn.rsplit("/", 1)[0] + f"/{name}" for dsn in (servers.app_dsn, servers.admin_dsn, servers.owner_dsn)
        )
        self.server, self.name, self.folder = servers.admin_dsn, name, folder / name
        self.tenant_id, self.anchor, self.lags = new_id(), FolderAnchor(self.folder), list[float]()

    async def __aenter__(self) -> Bench:
        server = await asyncpg.connect(self.server)
        await server.execute(f"CREATE DATABASE {self.name} OWNER helios_owner")
        await server.close()
        await create_extensions(self.superuser)
        await migrate(self.owner)
        self.admin = await asyncpg.connect(self.superuser)
        self.database = Database(self.app, pool_size=4, statement_timeout_s=300)
        async with self.database.tenant(self.tenant_id) as connection:
            await connection.execute(
                insert(Tenant).values(id=self.tenant_id, slug="audited", name="Audited", settings={})
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.admin.close()
        await self.database.close()

    async def seal(self, batch: int = 1000) -> None:
        while await seal(self.database, ROOT, self.anchor, self.tenant_id, batch):
            pass


async def seal_beside(dsn: str, folder: Path) -> None:
    """The process that seals, as a worker does."""
    database = Database(dsn, pool_size=2)
    print('{"event": "ready"}', flush=True)
    while True:
        began = time.monotonic()
        await seal_all(database, ROOT, FolderAnchor(folder))
        await asyncio.sleep(rest_s(time.monotonic() - began, EVERY_S))


async def measure(args: argparse.Namespace) -> list[str]:
    def say(line: str) -> None:
        print(f"  {line}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="helios-bench-", ignore_cleanup_errors=True) as scratch:
        Path(scratch).chmod(0o711)  # PostgreSQL runs under another account where we are root
        folder = Path(scratch)
        async with running_stack(Settings(home=folder / "home")) as stack:
            async with Bench(stack, "rate", folder) as bench:
                ours = await measure_log(bench, args.seconds)
                say(f"log: {ours.per_s:.0f} transactions/s, longest wait for the seal {ours.lag_s:.1f} s")
                chain = await measure_chain(bench, args.seconds)
                say(f"chain: {chain.per_s:.0f} transactions/s")
            async with Bench(stack, "verified", folder) as bench:
                verified = await measure_verification(bench, args.events)
                say(f"{verified.events:,} events verified in {verified.verifying_s:.1f} s")
            async with Bench(stack, "forged", folder) as bench:
                made = await measure_mutations(bench, args.mutations, args.seed, say)
    return page(args, ours, chain, verified, made)


def page(args: argparse.Namespace, ours: Rate, chain: Rate, verified: Verified, made: dict[str, int]) -> list[str]:
    machine = facts("python -m benchmarks.audit")
    shown = ("Date", "Command", "Commit", "Processor", "Memory", "Load average before", "Python", "PostgreSQL")
    times = ours.per_s / chain.per_s
    a_second = verified.events / verified.sealing_s
    return [
        "# The audit log, measured",
        "",
        "Written by `python -m benchmarks.audit`. How the log works is in [audit](audit.md).",
        "",
        *_table(("", ""), *((name, machine[name]) for name in shown)),
        "## An event in every transaction",
        "",
        f"One tenant, {CLIENTS} connections, {args.seconds:.0f} s each, one after the other on the same server. A",
        "transaction is a single event and nothing else, written by a bare client in one process.",
        "",
        *_table(
            ("", "transactions/s", "longest wait for the seal", "all sealed after the load"),
            ("tree, sealed beside the work", f"**{ours.per_s:,.0f}** (aim 1,000)", f"{ours.lag_s:.1f} s (aim 60)",
             f"{ours.after_s:.1f} s"),
            ("hash chain inside the transaction", f"{chain.per_s:,.0f}", "none", ""),
        ),
        f"The tree lets {times:.1f} times as many through: a chain's transactions wait for each other.",
        "",
        "## Verification",
        "",
        f"{verified.events:,} events: sealed in {verified.sealing_s:.0f} s ({a_second:,.0f} a second), verified from",
        f"the first to the last in **{verified.verifying_s:.1f} s** (aim: 60 for 1,000,000).",
        "",
        "## Falsifications",
        "",
        f"{sum(made.values()):,} with the superuser's rights, seed {args.seed}. All were found, and where it was one",
        "entry that was changed, it is the entry that was named.",
        "",
        *_table(("way", "made", "found"), *((name, count, count) for name, count in made.items())),
    ]  # fmt: skip


def _table(head: Sequence[str], *rows: Sequence[object]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return [*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows), ""]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audit")
    parser.add_argument("--events", type=int, default=1_000_000, help="in the log that is verified")
    parser.add_argument("--mutations", type=int, default=1_000, help="falsifications")
    parser.add_argument("--seconds", type=float, default=20.0, help="of load for each kind of log")
    parser.add_argument("--seed", type=int, default=20_261_122, help="of the falsifications")
    parser.add_argument("--out", type=Path, default=PAGE, help="where to write it")
    parser.add_argument("--seal", nargs=2, metavar=("DSN", "FOLDER"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.seal:
        asyncio.run(seal_beside(args.seal[0], Path(args.seal[1])))
        return
    args.out.write_text("\n".join(asyncio.run(measure(args))), encoding="utf-8")
    print(f"Written: {args.out}")


if __name__ == "__main__":
    main()
