"""Puts an embedder of `HELIOS_EMBEDDERS` beside the local one, over the demo bank's articles.

    HELIOS_EMBEDDERS='[…]' python -m evals.embedders NAME

Each question is asked of the English articles alone: in English, and in German and Spanish as if there were no article
in those. Found is who has the right article in the first 1 or 5 passages, as a search ranks them.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from evals.answers.bank import Bank, demo_bank
from evals.answers.judge import Question, customers_questions, hard_paraphrases
from evals.report import table
from helios.embedders.base import LOCAL, ChunkEmbedder
from helios.embedders.registry import build_embedders
from helios.knowledge.finding import Found
from helios.knowledge.ranking import rank_passages, word_overlap
from helios.knowledge.retrieval import NEAREST, WORDED
from helios.llm.base import Passage
from helios.models.embedder import Vectors
from helios.settings import settings

DEPTHS = (1, 5)
SEARCHED = "en"


async def measure(bank: Bank, embedder: ChunkEmbedder) -> list[list[str]]:
    """A row for each language: how many questions, and the share that is found by each."""
    english = [(passage, vector) for passage, vector in bank.passages if passage.language == SEARCHED]
    begun = time.perf_counter()
    texts = [f"{passage.title}. {passage.text}" for passage, _ in english]
    spaced = await embedder.embed_chunks(texts)
    sys.stdout.write(f"{len(texts)} chunks, {len(texts) / (time.perf_counter() - begun):.1f} a second\n")
    asked = [*customers_questions("fresh_questions"), *(each for each in hard_paraphrases())]
    rows = []
    for language in dict.fromkeys(each.language for each in asked):
        questions = [each for each in asked if each.language == language]
        local = [_found(bank, english, None, None, each) for each in questions]
        vectors = await embedder.embed_queries([each.text for each in questions])
        other = [_found(bank, english, spaced, vector, each) for each, vector in zip(questions, vectors, strict=True)]
        shares = [_share(places, depth) for places in (local, other) for depth in DEPTHS]
        rows.append([language, str(len(questions)), *shares])
    return rows


def _found(
    bank: Bank,
    knowledge: Sequence[tuple[Passage, Vectors]],
    spaced: Vectors | None,
    space_vector: Vectors | None,
    question: Question,
) -> int | None:
    """The place of the first passage of a right article, from 0."""
    vector = bank.encoder.embed([question.text])[0]
    scored = [replace(passage, score=float(own @ vector)) for passage, own in knowledge]
    near = (
        spaced @ space_vector
        if spaced is not None and space_vector is not None
        else np.array([each.score for each in scored])
    )
    overlap = word_overlap(scored, question.text, SEARCHED)
    worded = sorted(range(len(scored)), key=lambda index: -overlap[index])[:WORDED]
    chosen = sorted({*np.argsort(-near)[:NEAREST].tolist(), *worded}, key=lambda index: -scored[index].score)
    nearness = [float(near[index]) for index in chosen] if spaced is not None else None
    found = Found([scored[index] for index in chosen], SEARCHED, nearness)
    most, asked = max(DEPTHS), question.language
    ranked = rank_passages(found.passages, question.text, vector, SEARCHED, most, found.nearness, asked=asked)
    slugs = [bank.slugs[passage.source_id] for passage in ranked]
    return next((place for place, slug in enumerate(slugs) if slug in question.articles), None)


def _share(places: Sequence[int | None], depth: int) -> str:
    return f"{sum(place is not None and place < depth for place in places) / len(places):.2f}"


async def _run(name: str) -> None:
    bank = demo_bank()
    embedder = build_embedders(settings(), lambda: bank.encoder).by_name[name]
    rows = await measure(bank, embedder)
    await embedder.close()
    head = ["questions in", "", *(f"{who}, in the first {depth}" for who in (LOCAL, name) for depth in DEPTHS)]
    sys.stdout.write(f"{table(head, rows)}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="of an embedder in HELIOS_EMBEDDERS")
    asyncio.run(_run(parser.parse_args().name))


if __name__ == "__main__":
    main()
