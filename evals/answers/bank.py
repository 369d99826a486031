"""The demo bank's public articles in memory, with a search that takes its candidates as the database does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

import numpy as np

from helios.knowledge.articles import read_articles
from helios.knowledge.embedding import embed_article
from helios.knowledge.query import contextual_query
from helios.knowledge.ranking import rank_passages, word_overlap
from helios.knowledge.retrieval import NEAREST, PASSAGES, WORDED
from helios.knowledge.several import interleaved, queries_of
from helios.llm.base import Passage, PastMessage, Prompt
from helios.models.embedder import Embedder
from helios.settings import PROJECT, settings

KNOWLEDGE = PROJECT / "helios" / "demo_bank" / "knowledge"
NAME = "Meridian Bank"


class Bank:
    """Prompts as a turn builds them. `slugs` names the article of each source."""

    def __init__(self, folder: Path = KNOWLEDGE) -> None:
        self.encoder = Embedder.load(settings())
        self.slugs: dict[UUID, str] = {}
        self.passages: list[tuple[Passage, np.ndarray]] = []
        for article in read_articles(folder):
            if article.visibility != "public":
                continue
            source = uuid5(NAMESPACE_URL, f"{article.language}/{article.slug}")
            self.slugs[source] = article.slug
            for chunk in embed_article(self.encoder, article, settings().model_dir):
                passage = Passage(
                    chunk_id=uuid5(source, str(chunk.position)),
                    source_id=source,
                    version=1,
                    title=article.title,
                    text=chunk.text,
                    language=article.language,
                    score=0.0,
                    url=article.url,
                    sentences=chunk.sentences,
                    sentence_vectors=chunk.sentence_vectors,
                    position=chunk.position,
                )
                self.passages.append((passage, chunk.vector))

    def prompt(
        self, question: str, language: str = "en", history: tuple[PastMessage, ...] = (), *, as_one: bool = False
    ) -> Prompt:
        """The prompt of one turn, with the passages that a customer's answer may rest on.

        `as_one`: one search for the whole message, however many questions it has.
        """
        whole = contextual_query(question, history, language)
        queries = (whole,) if as_one else queries_of(question, history, language)
        rankings = [self._ranked(query, vector, language) for query, vector in self._encoded(queries)]
        vector = self.encoder.embed([whole])[0]
        return Prompt(NAME, language, question, vector, tuple(interleaved(rankings, PASSAGES)), history)

    def _encoded(self, queries: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
        return zip(queries, self.encoder.embed(list(queries)), strict=True)

    def _ranked(self, query: str, vector: np.ndarray, language: str) -> tuple[Passage, ...]:
        scored = [replace(p, score=float(v @ vector)) for p, v in self.passages if p.language == language]
        scored.sort(key=lambda passage: -passage.score)
        overlap = word_overlap(scored, query, language)
        worded = sorted(range(len(scored)), key=lambda index: -overlap[index])[:WORDED]
        candidates = [scored[index] for index in sorted({*range(min(NEAREST, len(scored))), *worded})]
        return rank_passages(candidates, query, vector, language, PASSAGES)


@lru_cache(maxsize=1)
def demo_bank() -> Bank:
    """The demo bank, read once a process: its vectors are cached in the folder of models."""
    return Bank()
