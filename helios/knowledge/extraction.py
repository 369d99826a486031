"""Chooses the sentences of retrieved passages that answer a question: no word is made up, and none is changed.

Which sentences and whether any answers at all are two sums of signs (`helios/knowledge/evidence.py`); both are
measured in docs/answers.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from helios.knowledge.candidates import Candidate, Part, Quote, candidates_of, parts_of
from helios.knowledge.evidence import SIGNS, Weights, signs, support_signs, weights_of
from helios.knowledge.terms import Floats

if TYPE_CHECKING:
    from helios.llm.base import Passage, Prompt
    from helios.models.embedder import TextEncoder

MAX_SENTENCES: Final = 4
MAX_SENTENCES_OF_PART: Final = 3
PART_MARGIN: Final = 0.75
"""Of several questions each gets a shorter answer: this share of the usual margin."""
OTHER_ARTICLE: Final = 0.5
"""The share of the margin for sentences of another article than the best one's: they rarely belong to the answer."""
SAME_WORDS: Final = 0.6
SAME_MEANING: Final = 0.8
"""From which share of common words (Jaccard), or cosine, two sentences say the same."""
SUPPORTED: Final = 0.5
USUAL_FOREIGN: Final = 0.05
"""How likely a question belongs to no intent, where nobody can tell."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The chosen sentences, empty where nothing supports an answer.

    Passages stand in the order in which their best sentence was chosen, sentences of one passage as in its text.
    """

    quotes: tuple[Quote, ...]
    support: float
    """Probability that the passages answer the question, 0..1."""
    unanswered: tuple[int, ...] = ()
    """Of several questions, those that nothing answers while something answers another: their places, from 0."""


def select_sentences(
    prompt: Prompt, encoder: TextEncoder | None = None, foreign: Callable[[Part], float] = lambda _: USUAL_FOREIGN
) -> Selection:
    """The sentences that answer the prompt's question. `foreign` is the probability that a part of it has no intent.

    `encoder` lets each part of a question have a vector of its own, and passages without vectors have theirs. The
    same prompt always gives the same selection.
    """
    weights = weights_of(prompt.language)
    candidates = candidates_of(prompt, encoder)
    parts = parts_of(prompt, encoder)
    articles = [prompt.passages[one.passage].source_id for one in candidates]
    chosen: list[Candidate] = []
    support, unanswered = 0.0, []
    for part, passages in zip(parts, _as_each_sees_them(parts, prompt.passages), strict=True) if candidates else ():
        rows = signs(part, candidates, passages, prompt.language)
        scores = rows @ weights.signs
        if chosen:
            scores += _new(rows, weights, [one in chosen for one in candidates])
        part_support = logistic(float(weights.support @ support_signs(part, rows, int(scores.argmax()), foreign(part))))
        support = max(support, part_support)
        if part_support >= SUPPORTED:
            add_best(chosen, candidates, articles, scores, *_allowance(len(parts), weights))
        else:
            unanswered.append(part.place)
    return Selection(_in_reading_order(chosen), support, tuple(unanswered) if chosen else ())


def _new(rows: Floats, weights: Weights, told: Sequence[bool]) -> Floats:
    """What a further question adds: "and how long does it take?" asks for a time of what was told already."""
    kind = rows[:, SIGNS.index("kind")]
    added: Floats = weights.signs[SIGNS.index("kind")] * kind - weights.margin * (np.array(told) & (kind == 0))
    return added


def _as_each_sees_them(parts: Sequence[Part], passages: Sequence[Passage]) -> list[Sequence[Passage]]:
    """The passages with the score that each has for a part: one that was found for another part is less near to it.

    How much less is told by their sentences, whose vectors are at hand.
    """
    means = [held.mean(axis=0) for one in passages if (held := one.sentence_vectors) is not None and len(held)]
    asked = [part.vector for part in parts if part.vector is not None]
    if len(parts) == 1 or len(asked) < len(parts) or len(means) < len(passages):
        return [passages] * len(parts)
    near = np.maximum(np.array(asked) @ np.array(means).T, 0.0)
    shares = near / np.maximum(near.max(axis=0), 1e-6)
    return [
        [replace(one, score=one.score * float(share)) for one, share in zip(passages, row, strict=True)]
        for row in shares
    ]


def _allowance(parts: int, weights: Weights) -> tuple[int, float]:
    """How many sentences a part may have, and how far below the best."""
    if parts == 1:
        return MAX_SENTENCES, weights.margin
    return MAX_SENTENCES_OF_PART, PART_MARGIN * weights.margin


def logistic(score: float) -> float:
    return 1 / (1 + math.exp(-score))


def add_best(
    chosen: list[Candidate],
    candidates: Sequence[Candidate],
    articles: Sequence[Hashable],
    scores: Floats,
    limit: int,
    margin: float,
) -> None:
    """Adds up to `limit` sentences: the best, and those within the margin that say something else.

    `articles` are the candidates'. A sentence of another article than the best one's must lie nearer.
    """
    order = np.argsort(-scores, kind="stable")
    top = order[0]
    added = 0
    for index in order:
        candidate = candidates[index]
        near = margin if articles[index] == articles[top] else OTHER_ARTICLE * margin
        if added >= limit or scores[index] < scores[top] - margin:
            return
        if any(candidate is other for other in chosen):
            added += 1  # another part of the question chose it: it answers this one too
        elif scores[index] >= scores[top] - near and not any(_say_the_same(candidate, other) for other in chosen):
            chosen.append(candidate)
            added += len(candidate.quotes)


def _say_the_same(left: Candidate, right: Candidate) -> bool:
    if left.vector is not None and right.vector is not None and np.dot(left.vector, right.vector) >= SAME_MEANING:
        return True
    return len(left.terms & right.terms) >= SAME_WORDS * len(left.terms | right.terms)


def _in_reading_order(chosen: Sequence[Candidate]) -> tuple[Quote, ...]:
    quotes = dict.fromkeys(quote for candidate in chosen for quote in candidate.quotes)
    rank = {passage: place for place, passage in enumerate(dict.fromkeys(quote.passage for quote in quotes))}
    return tuple(sorted(quotes, key=lambda quote: (rank[quote.passage], quote.sentence)))
