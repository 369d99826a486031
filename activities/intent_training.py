"""The training of a tenant's intents: chunk by chunk the examples get their vectors, then a process apart trains.

What is stored of a chunk is found by a step that is tried again, so a worker that dies costs one chunk, or the folds.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.beating import beating
from activities.resources import Resources
from helios import audit
from helios.crypto import Keys
from helios.detection.personal import find
from helios.detection.redaction import tokenise
from helios.intents.document import INTENTS, SHIPPED_VERSION
from helios.intents.examples import Chunk, open_chunk
from helios.intents.training import Set, comparable
from helios.intents.training_process import TooCostly, Trained, train_apart
from helios.models.embedder import TextEncoder
from helios.models.intent import shipped_examples
from helios.rules import versions
from schema.intents import Encoded, FailTraining, IntentsRef
from schema.tables import IntentModel

SET = text("SELECT * FROM intent_sets WHERE tenant_id = :tenant_id AND version = :version")
NEXT = text(
    "SELECT number, examples_ct FROM intent_chunks WHERE tenant_id = :tenant_id AND version = :version "
    "AND vectors IS NULL ORDER BY number LIMIT 1"
)
STORE = text(
    "UPDATE intent_chunks SET examples_ct = :examples_ct, vectors = :vectors "
    "WHERE tenant_id = :tenant_id AND version = :version AND number = :number AND vectors IS NULL"
)
ADVANCE = text(
    "UPDATE intent_sets SET examples_done = examples_done + :more, updated_at = now() "
    "WHERE tenant_id = :tenant_id AND version = :version"
)
CHUNKS = text(
    "SELECT number, examples_ct, vectors FROM intent_chunks WHERE tenant_id = :tenant_id AND version = :version "
    "ORDER BY number"
)
END = text(
    "UPDATE intent_sets SET status = CAST(:status AS text), failure = CAST(:failure AS text), updated_at = now(), "
    "report = CAST(:report AS jsonb) WHERE tenant_id = :tenant_id AND version = :version AND status = 'draft' "
    "RETURNING id"
)


async def encode_examples(resources: Resources, ref: IntentsRef) -> Encoded:
    """The next chunk. All are done where the version is no draft any more: it was rejected."""
    keys = await resources.keyring.tenant(ref.tenant_id)
    async with resources.database.tenant(ref.tenant_id) as connection:
        version = (await connection.execute(SET, _where(ref))).one()
        row = (await connection.execute(NEXT, _where(ref))).one_or_none()
    if version.status != "draft" or row is None:
        return Encoded(version.examples_total, version.examples_total)
    chunk = open_chunk(keys, row.examples_ct, ref.version, row.number)
    cleaned, vectors = await beating(asyncio.to_thread(_encode, resources, chunk))
    stored = {"examples_ct": cleaned.seal(keys, ref.version, row.number), "vectors": _bytes_of(vectors)}
    async with resources.database.tenant(ref.tenant_id) as connection:
        if (await connection.execute(STORE, {**_where(ref), "number": row.number, **stored})).rowcount:
            await connection.execute(ADVANCE, {**_where(ref), "more": len(chunk.rows)})
        done = (await connection.execute(SET, _where(ref))).one().examples_done
    return Encoded(version.examples_total, done)


async def train_intents(resources: Resources, ref: IntentsRef) -> None:
    """Trains, beside the version that is published, and keeps the model with its report."""
    async with resources.database.tenant(ref.tenant_id) as connection:
        version = (await connection.execute(SET, _where(ref))).one()
        if version.status != "draft":
            return
        in_force = await versions.published(connection, INTENTS, ref.tenant_id)
        keys = await resources.keyring.tenant(ref.tenant_id)
        mine = await _read(connection, keys, ref)
        theirs = None
        if in_force.version != SHIPPED_VERSION:
            theirs = await _read(connection, keys, IntentsRef(ref.tenant_id, in_force.version))
    if theirs is None and comparable(mine.names, list(shipped_examples())):
        theirs = await beating(asyncio.to_thread(_shipped, resources.encoder))
    started = time.monotonic()
    try:
        trained = await beating(train_apart(mine, theirs, activity.heartbeat))
    except TooCostly:
        raise ApplicationError("a limit was met", type="too_costly", non_retryable=True) from None
    report = {
        **trained.report,
        "languages": await asyncio.to_thread(_languages, resources, mine.texts),
        "embedder": resources.encoder.name,
        "weights_bytes": len(trained.weights),
        "training_s": round(time.monotonic() - started, 1),
    }
    await _keep(resources, ref, trained, report)


async def fail_training(resources: Resources, work: FailTraining) -> None:
    """Says why there is no model."""
    async with resources.database.tenant(work.ref.tenant_id) as connection:
        ended = await _end(connection, work.ref, "failed", failure=work.code)
        if ended is not None:
            await _record(connection, work.ref, ended, "failed", {"code": work.code})


async def _keep(resources: Resources, ref: IntentsRef, trained: Trained, report: dict[str, Any]) -> None:
    async with resources.database.tenant(ref.tenant_id) as connection:
        ended = await _end(connection, ref, "trained", report=json.dumps(report))
        if ended is None:
            return
        model = {"embedder": report["embedder"], "weights": trained.weights}
        await connection.execute(insert(IntentModel).values(tenant_id=ref.tenant_id, version=ref.version, **model))
        told = {"examples": report["examples"], "accuracy": report["accuracy"]}
        await _record(connection, ref, ended, "trained", told)


async def _end(connection: AsyncConnection, ref: IntentsRef, status: str, **more: Any) -> Any | None:
    """The id of the version, if it was a draft still."""
    values = {"failure": None, "report": None, **more}
    return (await connection.execute(END, {**_where(ref), "status": status, **values})).scalar_one_or_none()


def _encode(resources: Resources, chunk: Chunk) -> tuple[Chunk, np.ndarray]:
    """The chunk without names that no cue announces, and a vector for each text."""
    rows = chunk.rows
    if chunk.own:
        rows = tuple((_without_names(resources, said), intents) for said, intents in rows)
    return Chunk(chunk.own, rows), resources.encoder.embed([said for said, _ in rows])


def _without_names(resources: Resources, said: str) -> str:
    language = resources.languages.detect(said, default="en").code
    return tokenise(said, find(said, language, resources.find_names(said))).text


async def _read(connection: AsyncConnection, keys: Keys, ref: IntentsRef) -> Set:
    texts: list[str] = []
    intents: list[tuple[str, ...]] = []
    vectors: list[np.ndarray] = []
    for row in await connection.execute(CHUNKS, _where(ref)):
        for said, held in open_chunk(keys, row.examples_ct, ref.version, row.number).rows:
            texts.append(said)
            intents.append(held)
        vectors.append(np.frombuffer(row.vectors, np.float16))
    dimension = sum(map(len, vectors)) // len(texts)
    return Set(ref.version, texts, intents, np.concatenate(vectors).reshape(-1, dimension).astype(np.float32))


def _shipped(encoder: TextEncoder) -> Set:
    """The shipped examples, encoded in seconds."""
    rows = [(said, (name,)) for name, held in shipped_examples().items() for said in held]
    texts = [said for said, _ in rows]
    return Set(SHIPPED_VERSION, texts, [held for _, held in rows], encoder.embed(texts))


def _languages(resources: Resources, texts: Sequence[str]) -> dict[str, int]:
    return dict(Counter(resources.languages.detect(each, default="en").code for each in texts))


def _bytes_of(vectors: np.ndarray) -> bytes:
    return vectors.astype(np.float16).tobytes()


async def _record(connection: AsyncConnection, ref: IntentsRef, set_id: Any, done: str, detail: dict[str, Any]) -> None:
    await audit.record(
        connection, ref.tenant_id, f"intents.{done}", actor=("system", None), subject=("intents", set_id),
        detail={"version": ref.version, **detail},
    )  # fmt: skip


def _where(ref: IntentsRef) -> dict[str, Any]:
    return {"tenant_id": ref.tenant_id, "version": ref.version}
