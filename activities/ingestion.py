"""Ingestion: what was handed in becomes text, the text becomes chunks, and the chunks get their vectors.

Chunks are stored batch by batch under a version that nobody's question finds until it is published, so a step that is
tried again goes on where it was, and a version that fails leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any

import numpy as np
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio.exceptions import ApplicationError

from activities.beating import beating
from activities.fetching import fetch_version, note_content
from activities.resources import Resources
from activities.space_filling import fill_version
from helios import audit
from helios.embedders.base import EmbedderError
from helios.embedders.changes import lock_spaces
from helios.embedders.spaces import Within
from helios.ids import new_id
from helios.knowledge.chunking import Chunk as Piece
from helios.knowledge.chunking import chunk_text
from helios.knowledge.embedding import EmbeddedChunk
from helios.knowledge.embedding import embed_chunks as encode
from helios.knowledge.lifecycle import publish_approved
from helios.knowledge.parsing import ParsingError
from helios.knowledge.parsing_process import parse_apart
from helios.knowledge.submission import ORIGINAL
from helios.knowledge.syncing import Syncing
from schema.ingestion import FailVersion, Progress, Publish, Synced, VersionRef
from schema.privacy import TenantRef
from schema.tables import Chunk

BATCH = 16
Known = Mapping[tuple[str, str], Any]

VERSION = text(
    """
    SELECT version.*, source.language FROM knowledge_versions AS version JOIN knowledge_sources AS source
      ON source.tenant_id = version.tenant_id AND source.id = version.source_id
    WHERE version.tenant_id = :tenant_id AND version.source_id = :source_id AND version.version = :version
    """
)
PARSED = text(
    """
    UPDATE knowledge_versions SET content = :content, original_ct = NULL, step = 'embedding', chunks_total = :total,
        updated_at = now()
    WHERE tenant_id = :tenant_id AND source_id = :source_id AND version = :version AND status = 'ingesting'
    """
)
# The row's lock orders a step that was thought dead behind its successor.
POSITION = text(
    "SELECT chunks_done, chunks_reused FROM knowledge_versions WHERE tenant_id = :tenant_id "
    "AND source_id = :source_id AND version = :version AND status = 'ingesting' FOR UPDATE"
)
ENCODED = text(
    """
    SELECT DISTINCT ON (heading, text) heading, text, embedding::text AS embedding, sentence_vectors FROM chunks
    WHERE tenant_id = :tenant_id AND source_id = :source_id AND embedder = :embedder AND text = ANY(:texts)
    """
)
ADVANCE = text(
    """
    UPDATE knowledge_versions SET chunks_done = :done, chunks_reused = :reused, updated_at = now()
    WHERE tenant_id = :tenant_id AND source_id = :source_id AND version = :version
    """
)
FINISH = text(
    """
    UPDATE knowledge_versions SET status = 'pending_review', step = 'done', updated_at = now()
    WHERE tenant_id = :tenant_id AND source_id = :source_id AND version = :version AND status = 'ingesting'
      AND chunks_done = chunks_total
    """
)
FAIL = text(
    """
    UPDATE knowledge_versions SET status = 'failed', failure = :code, original_ct = NULL, updated_at = now()
    WHERE tenant_id = :tenant_id AND source_id = :source_id AND version = :version AND status = 'ingesting'
    """
)
REMOVE = text("DELETE FROM chunks WHERE tenant_id = :tenant_id AND source_id = :source_id AND version = :version")


async def parse_version(resources: Resources, ref: VersionRef) -> Progress:
    version = await _read(resources, ref)
    if version.status != "ingesting" or version.step not in ("fetching", "parsing"):
        return Progress(version.chunks_total, version.chunks_done, version.chunks_reused)
    keys = await resources.keyring.tenant(ref.tenant_id)
    try:
        if version.step == "fetching":
            await beating(fetch_version(resources, ref, version.url))
            version = await _read(resources, ref)
        original = keys.open(version.original_ct, ORIGINAL, (ref.source_id, ref.version))
        content = await beating(parse_apart(original, version.media_type))
        total = len(await beating(asyncio.to_thread(_pieces, content)))
        if not total:
            raise ParsingError("empty")
    except ParsingError as error:
        raise ApplicationError("the document has no text to be had", type=error.code, non_retryable=True) from None
    async with resources.database.tenant(ref.tenant_id) as connection:
        await connection.execute(PARSED, {**_where(ref), "content": content, "total": total})
        await note_content(connection, ref, resources.languages, content)
    return Progress(total, 0)


async def embed_chunks(resources: Resources, ref: VersionRef) -> Progress:
    version = await _read(resources, ref)
    begun = Progress(version.chunks_total, version.chunks_done, version.chunks_reused)
    if version.status != "ingesting":
        return Progress(begun.total, begun.total, begun.reused)
    pieces = (await beating(asyncio.to_thread(_pieces, version.content)))[begun.done : begun.done + BATCH]
    embedder = resources.encoder.name
    async with resources.database.tenant(ref.tenant_id) as connection:
        texts = {"embedder": embedder, "texts": [piece.text for piece in pieces]}
        found = await connection.execute(ENCODED, {**_where(ref), **texts})
        known = {(row.heading, row.text): row for row in found}
    fresh = [piece for piece in pieces if (_heading(version.title, piece), piece.text) not in known]
    encoded = await beating(asyncio.to_thread(encode, resources.encoder, version.title, fresh))
    rows = _rows(ref, version, pieces, known, encoded, embedder)
    done = Progress(begun.total, begun.done + len(pieces), begun.reused + len(pieces) - len(fresh))
    async with resources.database.tenant(ref.tenant_id) as connection:
        stored = await _store(connection, ref, rows, begun, done)
    await _fill_space(resources, ref)
    return stored


async def _fill_space(resources: Resources, ref: VersionRef) -> None:
    """What is reviewed and published is found in the space that is searched: an embedder that is away is waited for."""
    try:
        await beating(fill_version(resources, Within(ref.tenant_id, ref.source_id, ref.version)))
    except EmbedderError as error:
        wait = timedelta(seconds=error.retry_after_s) if error.retry_after_s else None
        raise ApplicationError(str(error), type=error.kind, next_retry_delay=wait) from None


async def finish_ingestion(resources: Resources, ref: VersionRef) -> None:
    await _fill_space(resources, ref)
    async with resources.database.tenant(ref.tenant_id) as connection:
        if (await connection.execute(FINISH, _where(ref))).rowcount:
            await _record(connection, ref, "knowledge.ingested", {})


async def fail_version(resources: Resources, work: FailVersion) -> None:
    async with resources.database.tenant(work.ref.tenant_id) as connection:
        if (await connection.execute(FAIL, {**_where(work.ref), "code": work.code})).rowcount:
            await connection.execute(REMOVE, _where(work.ref))
            await _record(connection, work.ref, "knowledge.failed", {"code": work.code})


async def sync_next_page(resources: Resources, ref: TenantRef) -> Synced:
    period = timedelta(hours=resources.settings.knowledge_sync_hours)

    def detect(content: str) -> str:
        return resources.languages.detect(content).code

    syncing = Syncing(resources.database, resources.keyring, resources.outbound, detect, period)
    return await syncing.next_page(ref.tenant_id)


async def publish_version(resources: Resources, work: Publish) -> bool:
    async with resources.database.tenant(work.ref.tenant_id) as connection:
        return await publish_approved(connection, work.ref, work.at)


async def _store(
    connection: AsyncConnection, ref: VersionRef, rows: Sequence[dict[str, Any]], begun: Progress, done: Progress
) -> Progress:
    await lock_spaces(connection, ref.tenant_id, shared=True)
    at = (await connection.execute(POSITION, _where(ref))).one_or_none()
    if at is None:
        return Progress(begun.total, begun.total, begun.reused)
    if at.chunks_done != begun.done:
        return Progress(begun.total, at.chunks_done, at.chunks_reused)
    await connection.execute(insert(Chunk), rows)
    await connection.execute(ADVANCE, {**_where(ref), "done": done.done, "reused": done.reused})
    return done


def _rows(
    ref: VersionRef,
    version: Any,
    pieces: Sequence[Piece],
    known: Known,
    encoded: Sequence[EmbeddedChunk],
    embedder: str,
) -> list[dict[str, Any]]:
    fresh = {chunk.position: chunk for chunk in encoded}
    rows = []
    for piece in pieces:
        heading = _heading(version.title, piece)
        if piece.position in fresh:
            chunk = fresh[piece.position]
            vector = chunk.vector.tolist()
            sentences = np.asarray(chunk.sentence_vectors, dtype=np.float16).tobytes()
        else:
            kept = known[heading, piece.text]
            vector, sentences = json.loads(kept.embedding), kept.sentence_vectors
        rows.append({
            "tenant_id": ref.tenant_id, "id": new_id(), "source_id": ref.source_id, "version": ref.version,
            "position": piece.position, "language": version.language, "visibility": version.visibility,
            "heading": heading, "text": piece.text, "sentences": list(piece.sentences),
            "sentence_vectors": sentences, "embedding": vector, "embedder": embedder,
        })  # fmt: skip
    return rows


def _heading(title: str, piece: Piece) -> str:
    return f"{title}. {piece.heading}"


@lru_cache(maxsize=4)
def _pieces(content: str) -> list[Piece]:
    """Each batch asks again for the pieces of the same document."""
    return chunk_text(content)


async def _read(resources: Resources, ref: VersionRef) -> Any:
    async with resources.database.tenant(ref.tenant_id) as connection:
        row = (await connection.execute(VERSION, _where(ref))).one_or_none()
    if row is None:
        raise ApplicationError("the version does not exist", type="bug", non_retryable=True)
    return row


async def _record(connection: AsyncConnection, ref: VersionRef, action: str, more: Mapping[str, Any]) -> None:
    await audit.record(
        connection, ref.tenant_id, action, actor=("system", None), subject=("knowledge_source", ref.source_id),
        detail={"version": ref.version, **more},
    )  # fmt: skip


def _where(ref: VersionRef) -> dict[str, Any]:
    return {"tenant_id": ref.tenant_id, "source_id": ref.source_id, "version": ref.version}
