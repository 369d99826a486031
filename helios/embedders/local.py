"""The local encoder as an embedder of knowledge. Its vectors stand with the chunks themselves, always."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from helios.embedders.base import LOCAL
from helios.models.embedder import TextEncoder, Vectors
from schema.tables import EMBEDDING_DIMENSION


class LocalEmbedder:
    """`load` gives the encoder: where one is loaded already, that one."""

    name = space = LOCAL
    dimension = EMBEDDING_DIMENSION
    multilingual = False
    remote = False

    def __init__(self, load: Callable[[], TextEncoder]) -> None:
        self._load = load

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return await asyncio.to_thread(lambda: self._load().embed(texts))

    async def embed_chunks(self, texts: Sequence[str]) -> Vectors:
        return await self.embed_queries(texts)

    async def close(self) -> None:
        """Nothing is open."""
