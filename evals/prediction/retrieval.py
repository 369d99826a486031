"""Queries through the product's retrieval over a knowledge base of a file: chunks, vectors and words in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from evals.prediction.index import DocumentIndex, IndexedChunk
from evals.prediction.rows import Row, read_rows
from helios.knowledge.chunking import chunk_text
from helios.knowledge.embedding import embed_chunks
from helios.models.embedder import Embedder
from helios.settings import settings

INTERNAL: Final = "Internal:"
"""How the title of an article begins that no customer may see."""
RANKED: Final = 50


def rank(rows: Iterable[Row], knowledge: Path, visibility: str) -> Iterator[Mapping[str, Any]]:
    """The 50 best documents for each query, best first."""
    encoder = Embedder.load(settings())
    documents = [
        row
        for row in read_rows(knowledge, ("title", "text"))
        if visibility == "all" or not row["title"].startswith(INTERNAL)
    ]
    index = DocumentIndex(list(_chunks(encoder, documents)))
    for row in rows:
        yield {"qid": row["qid"], "ranking": index.rank(encoder, row["text"], RANKED)}


def _chunks(encoder: Embedder, documents: Sequence[Row]) -> Iterator[IndexedChunk]:
    for row in documents:
        for chunk in embed_chunks(encoder, row["title"], chunk_text(row["text"] or row["title"])):
            yield IndexedChunk(row["id"], f"{row['title']} {chunk.heading} {chunk.text}", chunk.vector)
