"""What a search in the knowledge costs as a tenant grows, beside two hundred small tenants in the same tables.

`python -m benchmarks.knowledge [--sizes 1000,10000,100000] [--json]`, on PostgreSQL alone, vectors resampled around
those of the demo bank's articles: two real ones are mixed, and a random direction of half their length is added. Writes
docs/knowledge-scale.md with a picture. Three questions:

- **Search**: a question as a turn asks it, in the big tenant and in a small one, ranking included.
- **Index**: the nearest vectors alone through the HNSW index, under the same conditions row by row.
- **Recall**: how many of the ten that an exact scan finds under these conditions the index finds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from benchmarks.chart import Bar, bars
from benchmarks.knowledge_filling import fill, make_tenants, read_real, resample, with_index, without_index
from benchmarks.measures import percentile
from helios.database import Database
from helios.embedded.servers import embedded_servers
from helios.knowledge.finding import PLAN_IT_ANEW
from helios.knowledge.retrieval import HOLDING, search
from helios.knowledge.visible import CUSTOMERS, FOR_THEM, IN_FORCE, VISIBLE_NOW
from helios.migrations import migrate
from helios.models.embedder import Embedder, Vectors
from helios.settings import PROJECT, Settings, settings

SMALL_TENANTS, CHUNKS_OF_EACH = 200, 100
QUESTIONS = (
    "What does a replacement card cost?",
    "How long does a transfer to another bank take?",
    "Which fees does the basic account have?",
    "Can I cancel a direct debit?",
    "How do I report a stolen phone?",
)
ROUNDS = 3
TOP = 10
# OFFSET 0 keeps the planner from joining first and sorting all: it goes through the index and looks at each row.
THROUGH_INDEX = text(
    f"""
    SELECT chunks.id FROM chunks
    WHERE chunks.tenant_id = :tenant_id AND chunks.language = 'en' AND chunks.visibility = ANY(:visibilities)
      AND EXISTS (
        SELECT FROM knowledge_sources AS source JOIN knowledge_versions AS version
          ON version.tenant_id = source.tenant_id AND version.source_id = source.id
        WHERE source.tenant_id = chunks.tenant_id AND source.id = chunks.source_id
          AND version.version = chunks.version AND {VISIBLE_NOW} AND {FOR_THEM} AND {IN_FORCE} OFFSET 0)
    ORDER BY chunks.embedding <=> CAST(:vector AS vector) LIMIT :top
    """
)


@dataclass(frozen=True, slots=True)
class Measured:
    """Milliseconds, of one size of the big tenant. `recall`: of the index at ten, 0..1."""

    chunks: int
    search_p50: float
    search_p95: float
    small_p50: float
    index_p50: float
    index_p95: float
    recall: float
    index_built_s: float


async def measure(sizes: Sequence[int]) -> list[Measured]:
    home = Path(tempfile.mkdtemp(prefix="helios-bench-"))
    home.chmod(0o711)  # PostgreSQL runs under another account where we are root
    encoder, chance = await asyncio.to_thread(Embedder.load, settings()), np.random.default_rng(20_260)
    real = await asyncio.to_thread(read_real, encoder)
    vectors = encoder.embed(QUESTIONS)
    found = []
    try:
        async with embedded_servers(Settings(home=home / "home")) as servers:
            await migrate(servers.owner_dsn)
            admin, database = await asyncpg.connect(servers.admin_dsn), Database(servers.app_dsn, pool_size=2)
            small = await make_tenants(admin, SMALL_TENANTS)
            big = (await make_tenants(admin, 1))[0]
            definition, there = await without_index(admin), 0
            await fill(admin, small, CHUNKS_OF_EACH, real, chance)
            for size in sorted(sizes):
                if there:
                    await without_index(admin)
                await fill(admin, [big], size - there, real, chance)
                begun, there = time.perf_counter(), size
                await with_index(admin, definition)
                built_s = time.perf_counter() - begun
                near, _ = resample(real, len(QUESTIONS) * ROUNDS, chance)
                found.append(await _measure(database, big, small[0], size, vectors, near, built_s))
            await database.close()
            await admin.close()
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return found


async def _measure(
    database: Database, big: UUID, small: UUID, size: int, vectors: Vectors, near: Vectors, built_s: float
) -> Measured:
    whole = await _searches(database, big, vectors)
    beside = await _searches(database, small, vectors)
    index, shares = [], []
    for vector in near:
        where = {"tenant_id": big, "visibilities": list(CUSTOMERS), "audiences": [], "top": TOP,
                 "vector": str(vector.tolist())}  # fmt: skip
        async with database.tenant(big) as connection:
            await connection.execute(PLAN_IT_ANEW)
            begun = time.perf_counter()
            ours = await _ids(connection, where)
            index.append(1_000 * (time.perf_counter() - begun))
            await connection.execute(text("SET LOCAL enable_indexscan = off"))
            exact = await _ids(connection, where)
        shares.append(len(ours & exact) / len(exact))
    return Measured(
        size, percentile(whole, 0.5), percentile(whole, 0.95), percentile(beside, 0.5), percentile(index, 0.5),
        percentile(index, 0.95), sum(shares) / len(shares), built_s,
    )  # fmt: skip


async def _searches(database: Database, tenant_id: UUID, vectors: Vectors) -> list[float]:
    took = []
    for number in range(len(QUESTIONS) * ROUNDS):
        question, vector = QUESTIONS[number % len(QUESTIONS)], vectors[number % len(QUESTIONS)]
        begun = time.perf_counter()
        with suppress(TimeoutError):  # given up as a turn's would be; it counts for as long as it took
            async with database.tenant(tenant_id) as connection:
                begun = time.perf_counter()
                assert await search(connection, tenant_id, question, vector, "en")
        took.append(1_000 * (time.perf_counter() - begun))
    return took


async def _ids(connection: AsyncConnection, where: dict[str, Any]) -> set[UUID]:
    return {row.id for row in await connection.execute(THROUGH_INDEX, where)}


def page(measured: Sequence[Measured], load: str) -> str:
    rows = "\n".join(
        f"| {each.chunks:,} | {each.search_p50:.1f} / {each.search_p95:.1f} | {each.small_p50:.1f} "
        f"| {each.index_p50:.1f} / {each.index_p95:.1f} | {each.recall:.3f} | {each.index_built_s:.0f} |"
        for each in measured
    )
    return f"""# Knowledge at scale

Written by `python -m benchmarks.knowledge`. One tenant of each size beside {SMALL_TENANTS} with {CHUNKS_OF_EACH}
chunks each, in the same tables. Vectors are resampled around those of the demo bank's articles (two real ones mixed,
and a random direction of half their length added), words are those of the real chunks: so common words are in many
chunks, as they are in a bank's articles. {os.cpu_count()} cores; load average before: {load}. Wall time: a busy machine
shows.

![Cost against size](images/knowledge-scale.svg)

| chunks | search p50 / p95 ms | small tenant p50 ms | index alone p50 / p95 ms | its recall@10 | index built in s |
| --- | --- | --- | --- | --- | --- |
{rows}

*Search* is what a turn asks: nearest vectors and shared words under the conditions of who may see what, then the
ranking. The vectors' half walks along the HNSW index; the words' half asks an index for the chunks that hold several
words of the question first, and ranks {HOLDING} of them at most. What takes longer than the database's time limit,
15 s, is given up and counts for as long as that. *Index alone* asks for the ten nearest, with the conditions tried row
by row. The aim, 25 ms at 100,000 chunks, is for the whole search.
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.knowledge")
    parser.add_argument("--sizes", default="1000,10000,100000", help="chunks of the big tenant, with commas")
    parser.add_argument("--json", action="store_true", help="print the raw numbers, write no file")
    args = parser.parse_args()
    load = f"{os.getloadavg()[0]:.1f}"
    measured = asyncio.run(measure([int(each) for each in args.sizes.split(",")]))
    if args.json:
        print(json.dumps([asdict(each) for each in measured], indent=1))
        return
    drawn = [Bar(f"{each.chunks:,} chunks: search", each.search_p50, True) for each in measured]
    drawn += [Bar(f"{each.chunks:,} chunks: index alone", each.index_p50, False) for each in measured]
    (PROJECT / "docs" / "images" / "knowledge-scale.svg").write_text(
        bars("A search in the knowledge, by the tenant's size (p50)", "ms", drawn), encoding="utf-8"
    )
    (PROJECT / "docs" / "knowledge-scale.md").write_text(page(measured, load), encoding="utf-8")


if __name__ == "__main__":
    main()
