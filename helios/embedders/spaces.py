"""Which space a tenant searches in, and the vectors of its chunks there.

A chunk is stored with the local encoder's vector; its vectors in other spaces are added. So there is no moment in which
a chunk cannot be found: in its first the local space has it, and a space that is not whole is not searched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios.models.embedder import Vectors

IN_FORCE: Final = text("SELECT space FROM embedder_changes WHERE tenant_id = :tenant_id AND status = 'in_force'")
MISSING: Final = """
    FROM chunks WHERE chunks.tenant_id = :tenant_id
      AND (CAST(:source_id AS uuid) IS NULL OR (chunks.source_id = :source_id AND chunks.version = :version))
      AND NOT EXISTS (SELECT FROM chunk_vectors AS held WHERE held.tenant_id = :tenant_id AND held.space = :space
                        AND held.chunk_id = chunks.id)
"""
NEXT: Final = text(
    f"""
    SELECT chunks.id, chunks.source_id, chunks.heading, chunks.text {MISSING}
      AND (CAST(:after AS uuid) IS NULL OR chunks.id > :after) ORDER BY chunks.id LIMIT :most
    """
)
ANY_MISSING: Final = text(f"SELECT EXISTS (SELECT {MISSING})")
COUNTS: Final = text(
    f"""
    SELECT (SELECT count(*) FROM chunks WHERE tenant_id = :tenant_id) AS total, count(*) AS missing {MISSING}
    """  # noqa: S608 - a constant of ours
)
# What an earlier version said in the same words has its vector already.
TWINS: Final = text(
    """
    SELECT DISTINCT ON (chunks.id) chunks.id, held.embedding::text AS embedding
    FROM chunks JOIN chunks AS twin ON twin.tenant_id = chunks.tenant_id AND twin.source_id = chunks.source_id
      AND twin.text = chunks.text AND twin.heading IS NOT DISTINCT FROM chunks.heading AND twin.id <> chunks.id
    JOIN chunk_vectors AS held ON held.tenant_id = twin.tenant_id AND held.chunk_id = twin.id AND held.space = :space
    WHERE chunks.tenant_id = :tenant_id AND chunks.id = ANY(:ids)
    """
)
STORE: Final = text(
    """
    INSERT INTO chunk_vectors (tenant_id, space, chunk_id, dimension, embedding)
    SELECT :tenant_id, :space, id, :dimension, CAST(embedding AS halfvec)
    FROM unnest(CAST(:ids AS uuid[]), CAST(:embeddings AS text[])) AS given(id, embedding)
    WHERE EXISTS (SELECT FROM chunks WHERE chunks.tenant_id = :tenant_id AND chunks.id = given.id)
    ON CONFLICT DO NOTHING
    """
)


@dataclass(frozen=True, slots=True)
class Within:
    """Whose chunks are meant: the tenant's, or those of one version."""

    tenant_id: UUID
    source_id: UUID | None = None
    version: int | None = None

    def where(self, space: str) -> dict[str, Any]:
        return {"tenant_id": self.tenant_id, "source_id": self.source_id, "version": self.version, "space": space}


async def space_in_force(connection: AsyncConnection, tenant_id: UUID) -> str | None:
    """None: the local one."""
    found: str | None = (await connection.execute(IN_FORCE, {"tenant_id": tenant_id})).scalar_one_or_none()
    return found


async def next_missing(
    connection: AsyncConnection, within: Within, space: str, after: UUID | None, most: int
) -> Sequence[Any]:
    """Chunks without a vector in that space, in the order of their ids, from behind `after`."""
    found = await connection.execute(NEXT, {**within.where(space), "after": after, "most": most})
    return found.all()


async def is_whole(connection: AsyncConnection, within: Within, space: str) -> bool:
    return not (await connection.execute(ANY_MISSING, within.where(space))).scalar_one()


async def counts(connection: AsyncConnection, tenant_id: UUID, space: str) -> tuple[int, int]:
    """(chunks, those without a vector in that space)."""
    row = (await connection.execute(COUNTS, Within(tenant_id).where(space))).one()
    return int(row.total), int(row.missing)


async def twins(connection: AsyncConnection, tenant_id: UUID, space: str, ids: Sequence[UUID]) -> dict[UUID, str]:
    """By chunk: the vector of another one of the same source that has the same words, as PostgreSQL writes it."""
    found = await connection.execute(TWINS, {"tenant_id": tenant_id, "space": space, "ids": list(ids)})
    return {row.id: row.embedding for row in found}


async def store(
    connection: AsyncConnection, tenant_id: UUID, space: str, dimension: int, vectors: dict[UUID, str]
) -> None:
    """Of chunks that are still there. What has a vector in that space keeps it."""
    where = {"tenant_id": tenant_id, "space": space, "dimension": dimension}
    await connection.execute(STORE, {**where, "ids": list(vectors), "embeddings": list(vectors.values())})


def written(vector: Vectors) -> str:
    """A vector as PostgreSQL reads it; half precision is what is kept."""
    return str(np.asarray(vector, dtype=np.float16).astype(float).tolist())


def words_of(chunk: Any) -> str:
    """What a chunk's vector is made of: see `helios.knowledge.embedding.chunk_context`."""
    heading = (chunk.heading or "").rstrip(". ")
    return f"{heading}. {chunk.text}" if heading else str(chunk.text)
