"""Gives chunks their vectors in the space of an embedder that is not the local one, some at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text

from activities.resources import Resources
from helios.embedders.base import LOCAL, ChunkEmbedder
from helios.embedders.spaces import Within, next_missing, space_in_force, store, twins, words_of, written
from helios.tenant_settings import TenantSettings

BATCH = 64
SETTINGS = text("SELECT settings FROM tenants WHERE id = :tenant_id")


async def fill_next(
    resources: Resources, within: Within, embedder: ChunkEmbedder, after: UUID | None = None
) -> Sequence[Any]:
    """The next chunks that were without a vector, which now have one: none where there are no more behind `after`.

    Raises `EmbedderError`. No transaction is open while the embedder is asked.
    """
    async with resources.database.tenant(within.tenant_id) as connection:
        chunks = await next_missing(connection, within, embedder.space, after, BATCH)
        known = await twins(connection, within.tenant_id, embedder.space, [each.id for each in chunks])
    texts = {words_of(each): None for each in chunks if each.id not in known}
    vectors = dict(zip(texts, map(written, await embedder.embed_chunks(list(texts))), strict=True)) if texts else {}
    made = {each.id: known.get(each.id) or vectors[words_of(each)] for each in chunks}
    if made:
        async with resources.database.tenant(within.tenant_id) as connection:
            await store(connection, within.tenant_id, embedder.space, embedder.dimension, made)
    return chunks


async def fill_version(resources: Resources, within: Within) -> None:
    """Gives all chunks of a version that are stored their vectors in the space in force. Raises `EmbedderError`."""
    async with resources.database.tenant(within.tenant_id) as connection:
        space = await space_in_force(connection, within.tenant_id)
        settings = TenantSettings.of((await connection.execute(SETTINGS, {"tenant_id": within.tenant_id})).scalar_one())
    embedder = resources.embedders.of_space(space) if space is not None else None
    if embedder is None or embedder.name == LOCAL or (embedder.remote and settings.in_house):
        return  # turns search with the local vectors: see `helios.embedders.asking`
    while await fill_next(resources, within, embedder):
        pass
