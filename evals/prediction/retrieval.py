"""Queries through the product's ranking over a knowledge base of a file: chunks, vectors and words in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from evals.prediction.rows import Row, read_rows
from helios.knowledge.chunking import chunk_text
from helios.knowledge.embedding import embed_chunks
from helios.knowledge.fusion import Fusion, Piece, Question
from helios.knowledge.sentences import split_sentences
from helios.models.embedder import Embedder
from helios.settings import settings

INTERNAL: Final = "Internal:"
"""How the title of an article begins that no customer may see."""
RANKED: Final = 50
SENTENCES_MAX: Final = 40


def rank(rows: Iterable[Row], knowledge: Path, visibility: str) -> Iterator[Mapping[str, Any]]:
    """The 50 best documents for each query, best first."""
    encoder = Embedder.load(settings())
    documents = [
        row
        for row in read_rows(knowledge, ("title", "text"))
        if visibility == "all" or not row["title"].startswith(INTERNAL)
    ]
    fusion = index(encoder, documents)
    for row in rows:
        order = np.argsort(-fusion.scores(asked(encoder, row["text"])), kind="stable")[:RANKED]
        yield {"qid": row["qid"], "ranking": [fusion.documents[place] for place in order]}


def index(encoder: Embedder, documents: Sequence[Row]) -> Fusion:
    """The documents `{"id", "title", "text"}`, cut and encoded as ingestion does it, and their titles."""
    titles = list(dict.fromkeys(row["title"] for row in documents))
    return Fusion(list(_pieces(encoder, documents)), "en", dict(zip(titles, encoder.embed(titles), strict=True)))


def asked(encoder: Embedder, text: str) -> Question:
    """A query with a vector for each of its sentences."""
    sentences = split_sentences(text)[:SENTENCES_MAX]
    return Question(text, sentences, encoder.embed([text, *(sentences if len(sentences) > 1 else ())]))


def _pieces(encoder: Embedder, documents: Sequence[Row]) -> Iterator[Piece]:
    for row in documents:
        for chunk in embed_chunks(encoder, row["title"], chunk_text(row["text"] or row["title"])):
            yield Piece(row["id"], row["title"], f"{chunk.heading} {chunk.text}", chunk.vector, chunk.sentence_vectors)
