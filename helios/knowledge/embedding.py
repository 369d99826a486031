"""Encodes an article's chunks and their sentences, and remembers the vectors of texts that it has seen."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from helios.knowledge.chunking import Chunk, chunk_article
from helios.models.cache import content_key, write_atomically

if TYPE_CHECKING:
    from helios.knowledge.articles import Article
    from helios.models.embedder import TextEncoder, Vectors


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedChunk:
    """A chunk with its vectors, rows of unit length."""

    text: str
    heading: str
    position: int
    sentences: tuple[str, ...]
    vector: Vectors
    """(384,) float32: title, heading and text."""
    sentence_vectors: Vectors
    """(len(sentences), 384) float32."""


def embed_article(encoder: TextEncoder, article: Article, cache_dir: Path | None = None) -> list[EmbeddedChunk]:
    """The article's chunks in order, encoded. See `embed_chunks` for `cache_dir`."""
    return embed_chunks(encoder, article.title, chunk_article(article), cache_dir)


def embed_chunks(
    encoder: TextEncoder, title: str, chunks: Sequence[Chunk], cache_dir: Path | None = None
) -> list[EmbeddedChunk]:
    """The chunks of the document `title`, encoded.

    With `cache_dir` vectors are kept there, keyed by the encoder and the texts. Only for knowledge that ships with the
    product: a vector tells much of its text, and a tenant's documents do not belong in a folder without access rules.
    """
    texts = [chunk_context(title, chunk) for chunk in chunks]
    texts += [sentence for chunk in chunks for sentence in chunk.sentences]
    vectors = _embed(encoder, texts, cache_dir)
    embedded: list[EmbeddedChunk] = []
    start = len(chunks)
    for vector, chunk in zip(vectors[: len(chunks)], chunks, strict=True):
        end = start + len(chunk.sentences)
        embedded.append(
            EmbeddedChunk(chunk.text, chunk.heading, chunk.position, chunk.sentences, vector, vectors[start:end])
        )
        start = end
    return embedded


def chunk_context(title: str, chunk: Chunk) -> str:
    """What a chunk's vector is made of: a paragraph rarely repeats what its title and heading say."""
    return ". ".join(part for part in (title, chunk.heading, chunk.text) if part)


def _embed(encoder: TextEncoder, texts: Sequence[str], cache_dir: Path | None) -> Vectors:
    if cache_dir is None or not texts:
        return encoder.embed(texts)
    path = cache_dir / "vectors" / encoder.name / f"{content_key(*texts)}.npy"
    cached = _read(path, (len(texts), encoder.dimension))
    if cached is not None:
        return cached
    vectors = encoder.embed(texts)
    buffer = io.BytesIO()
    np.save(buffer, vectors, allow_pickle=False)
    write_atomically(path, buffer.getvalue())
    return vectors


def _read(path: Path, shape: tuple[int, int]) -> Vectors | None:
    try:
        vectors: Vectors = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None  # absent or damaged: computed anew and written over
    return vectors if vectors.shape == shape and vectors.dtype == np.float32 else None
