"""A message that asks several things: each is searched for by itself, and the answer rests on what they all find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, TypeVar

from helios.knowledge.query import contextual_query, is_follow_up, question_parts, with_context
from helios.llm.base import Passage
from schema.steps import ScoredPassage

if TYPE_CHECKING:
    from helios.llm.base import PastMessage

Found = TypeVar("Found", Passage, ScoredPassage)


def queries_of(question: str, history: Sequence[PastMessage], language: str = "en") -> tuple[str, ...]:
    """What to search with: the question as the history completes it, or its parts, where it has several.

    A part that leans on the first one takes its topic along: "what does it cost?" after "can I get a second card".
    """
    parts = question_parts(question, language)
    if len(parts) == 1:
        return (contextual_query(question, history, language),)
    first, *others = parts
    leaning = (with_context(each, first, language) if is_follow_up(each, language) else each for each in others)
    return (contextual_query(first, history, language), *leaning)


def interleaved(rankings: Sequence[Sequence[Found]], most: int) -> list[Found]:
    """The best of each ranking in turn, every passage once and with the best score that it has in any."""
    if len(rankings) == 1:
        return list(rankings[0][:most])
    best: dict[object, Found] = {}
    for passage in (each for row in zip_longest(*rankings) for each in row if each is not None):
        known = best.setdefault(passage.chunk_id, passage)
        if passage.score > known.score:
            best[passage.chunk_id] = replace(known, score=passage.score)
    return list(best.values())[:most]
