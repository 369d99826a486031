"""The interface that every embedder of knowledge keeps, and the types that pass through it.

Vectors of two embedders have nothing to do with each other. So each embedder has a `space`, a name that changes when
its vectors would, and a vector never travels without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from helios.llm.base import FailureKind
from helios.models.embedder import Vectors

LOCAL: Final = "local"
"""The name and the space of the embedder that ships with the product. Every chunk has a vector in it."""


class ChunkEmbedder(Protocol):
    """Embeds chunks, and the questions that are to find them: some models want to be told which is which."""

    name: str
    space: str
    dimension: int
    multilingual: bool
    """A question finds chunks in other languages than its own."""
    remote: bool
    """Texts leave this machine."""

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Rows of unit length, (len(texts), dimension) float32, within the time that a turn can spare.

        Raises `EmbedderError`.
        """
        ...

    async def embed_chunks(self, texts: Sequence[str]) -> Vectors:
        """The same of chunks, with the patience of work that nobody waits for on the line."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True, eq=False)
class SpaceVector:
    """A question's vector with the space that it lies in: it is compared with that space's alone."""

    space: str
    vector: Vectors
    """(dimension,) float32, unit length."""
    multilingual: bool

    @property
    def dimension(self) -> int:
        return len(self.vector)


class EmbedderError(Exception):
    """An embedder failed. The message holds neither text nor a key; the fields are those of `GeneratorError`."""

    def __init__(
        self, kind: FailureKind, message: str = "", *, retry_after_s: float | None = None, retryable: bool | None = None
    ) -> None:
        super().__init__(message or kind)
        self.kind: FailureKind = kind
        self.retry_after_s = retry_after_s
        self.retryable = kind != "rejected" if retryable is None else retryable


def unit_rows(rows: object, count: int, dimension: int, name: str) -> Vectors:
    """What a model gave, as rows of unit length. Raises `EmbedderError` where it is not `count` such vectors."""
    try:
        found = np.asarray(rows)
    except ValueError:  # rows of different length
        raise EmbedderError("invalid_response", f"{name}: not one vector for each text") from None
    if found.dtype.kind not in "fi" or found.shape != (count, dimension):
        raise EmbedderError("invalid_response", f"{name}: not {count} vectors of {dimension} numbers", retryable=False)
    vectors = found.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or not (lengths > 0).all():
        raise EmbedderError("invalid_response", f"{name}: a vector without a direction")
    unit: Vectors = (vectors / lengths).astype(np.float32)
    return unit
