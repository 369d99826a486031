"""Chooses the sentences of retrieved passages that answer a question: no word is made up, and none is changed.

Each sentence is weighed by four things: how near its vector is to the question's, how much of the question's rarer
words it holds, how well its passage was retrieved, and whether it holds the kind of thing that is asked for (an
amount, a time, a way). Whether anything answers at all is decided by one logistic score; `evals/` measures both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from helios.knowledge.query import is_follow_up, previous_question, question_parts
from helios.knowledge.sentences import split_sentences
from helios.knowledge.terms import LanguageWords, best_match, fold, terms, words_of

if TYPE_CHECKING:
    from helios.llm.base import Passage, Prompt
    from helios.models.embedder import TextEncoder, Vectors

MAX_SENTENCES = 3
"""In an answer; a question of several parts may have one more."""
ENCODER_LANGUAGE = "en"


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each sign counts. `support_*` are a logistic score: positive means that the passages answer."""

    cosine: float
    overlap: float
    passage: float
    kind: float
    support_bias: float
    support_cosine: float
    support_passage: float
    support_overlap: float


ENGLISH = Weights(1.0, 0.5, 0.4, 0.15, -7.0, 5.0, 5.0, 4.0)
OTHER = Weights(0.5, 1.0, 0.3, 0.2, -5.0, 2.0, 2.0, 7.0)
"""Languages that the encoder has not learnt: words count for more than vectors."""

TITLE_SHARE = 0.7
"""A question's word that only the passage's title holds, against one in the sentence itself."""
CONTEXT_SHARE = 0.4
"""A word of the question before, in a follow-up."""
SECOND_BEST = 0.9
"""A further sentence is added where its score reaches this share of the best one's."""
SAME_WORDS, SAME_MEANING = 0.6, 0.8
"""From which share of common words (Jaccard), or cosine, two sentences say the same."""
MIN_WORDS = 4


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence of a passage: the 0-based places of both."""

    passage: int
    sentence: int
    text: str


@dataclass(frozen=True, slots=True)
class Selection:
    """The chosen sentences, empty where nothing supports an answer.

    Passages stand in the order in which their best sentence was chosen, sentences of one passage as in its text.
    """

    quotes: tuple[Quote, ...]
    support: float
    """Probability that the passages answer the question, 0..1."""


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """One question of the message."""

    terms: dict[str, float]
    vector: Vectors | None
    kinds: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class _Candidate:
    """One or more sentences that stand alone together; the last one is what was weighed."""

    quotes: tuple[Quote, ...]
    terms: frozenset[str]
    title_terms: frozenset[str]
    vector: Vectors | None
    folded: str
    passage_score: float


def select_sentences(prompt: Prompt, encoder: TextEncoder | None = None) -> Selection:
    """The sentences that answer the prompt's question.

    `encoder` lets each part of a question have a vector of its own, and passages without vectors have theirs. The
    same prompt always gives the same selection.
    """
    words = words_of(prompt.language)
    weights = ENGLISH if prompt.language == ENCODER_LANGUAGE else OTHER
    candidates = _candidates(prompt, words, encoder)
    parts = _parts(prompt, words, encoder)
    if not candidates or not any(part.terms for part in parts):
        return Selection((), 0.0)
    chosen: list[_Candidate] = []
    support = 0.0
    for part in parts:
        rarity = _rarity(part, candidates, words)
        scores = [_score(part, candidate, rarity, weights, words) for candidate in candidates]
        part_support = _support(part, candidates, scores, rarity, weights, words)
        support = max(support, part_support)
        if part_support >= 0.5:
            _add_best(chosen, candidates, scores, limit=1 if len(parts) > 1 else MAX_SENTENCES)
    return Selection(_in_reading_order(chosen), support)


def _parts(prompt: Prompt, words: LanguageWords, encoder: TextEncoder | None) -> list[_Part]:
    texts = question_parts(prompt.question, prompt.language)
    parts: list[_Part] = []
    for index, text in enumerate(texts):
        before = texts[0] if index else previous_question(prompt.question, prompt.history, prompt.language)
        context = before if before and is_follow_up(text, prompt.language) else ""
        weighted = dict.fromkeys(terms(context, prompt.language), CONTEXT_SHARE)
        weighted |= dict.fromkeys(terms(text, prompt.language), 1.0)
        vector = prompt.question_vector
        if encoder is not None and (vector is None or len(texts) > 1):
            vector = encoder.embed([f"{context} {text}".strip()])[0]
        folded = fold(text)
        kinds = frozenset(kind for kind, pattern in words.asks.items() if pattern.search(folded))
        parts.append(_Part(weighted, vector, kinds))
    return parts


def _candidates(prompt: Prompt, words: LanguageWords, encoder: TextEncoder | None) -> list[_Candidate]:
    candidates: list[_Candidate] = []
    for index, passage in enumerate(prompt.passages):
        sentences = passage.sentences or split_sentences(passage.text)
        vectors = _sentence_vectors(passage, sentences, encoder)
        title_terms = frozenset(terms(passage.title, prompt.language))
        opening: tuple[Quote, ...] = ()
        for position, sentence in enumerate(sentences):
            folded = fold(sentence)
            # "It takes two days." says what only after the sentence before it.
            needs_opening = words.dependent.match(folded) is not None
            quotes = (*(opening if needs_opening else ()), Quote(index, position, sentence))
            usable = _is_statement(sentence) and (not needs_opening or bool(opening))
            opening = quotes[-2:] if usable else ()
            if usable and len(quotes) <= 2:
                text = " ".join(quote.text for quote in quotes)
                vector = vectors[position] if vectors is not None else None
                own_terms = frozenset(terms(text, prompt.language))
                candidates.append(_Candidate(quotes, own_terms, title_terms, vector, folded, passage.score))
    return candidates


def _sentence_vectors(passage: Passage, sentences: Sequence[str], encoder: TextEncoder | None) -> Vectors | None:
    if passage.sentence_vectors is not None and len(passage.sentence_vectors) == len(sentences):
        return passage.sentence_vectors
    return encoder.embed(sentences) if encoder is not None else None


def _is_statement(sentence: str) -> bool:
    """Headings, lead-ins of lists and questions say nothing to a customer."""
    return sentence.rstrip("\"'”’»)")[-1:] in {".", "!", "。", "؟"} and len(sentence.split()) >= MIN_WORDS


def _rarity(part: _Part, candidates: Sequence[_Candidate], words: LanguageWords) -> dict[str, float]:
    """Each term's weight: the rarer among the sentences at hand, the more it tells them apart; never nothing."""
    total = len(candidates)
    rarity: dict[str, float] = {}
    for term, share in part.terms.items():
        holding = sum(best_match(term, one.terms | one.title_terms, words.synonyms) >= 0.6 for one in candidates)
        rarity[term] = share * (0.3 + math.log((total + 1) / (holding + 0.5)) / math.log(2 * total + 2))
    return rarity


def _overlap(candidate: _Candidate, rarity: dict[str, float], words: LanguageWords) -> float:
    """How much of the question's weight the sentence and its title hold, 0..1."""
    held = 0.0
    for term, weight in rarity.items():
        in_sentence = best_match(term, candidate.terms, words.synonyms)
        in_title = TITLE_SHARE * best_match(term, candidate.title_terms, words.synonyms) if in_sentence < 1 else 0.0
        held += weight * max(in_sentence, in_title)
    return held / sum(rarity.values()) if rarity else 0.0


def _cosine(part: _Part, candidate: _Candidate) -> float:
    if part.vector is None or candidate.vector is None:
        return 0.0
    return float(np.dot(part.vector, candidate.vector))


def _score(
    part: _Part, candidate: _Candidate, rarity: dict[str, float], weights: Weights, words: LanguageWords
) -> float:
    asked = [kind for kind in part.kinds if kind in words.answers]
    met = sum(words.answers[kind].search(candidate.folded) is not None for kind in asked)
    return (
        weights.cosine * _cosine(part, candidate)
        + weights.overlap * _overlap(candidate, rarity, words)
        + weights.passage * candidate.passage_score
        + (weights.kind * met / len(asked) if asked else 0.0)
    )


def _support(
    part: _Part,
    candidates: Sequence[_Candidate],
    scores: Sequence[float],
    rarity: dict[str, float],
    weights: Weights,
    words: LanguageWords,
) -> float:
    """Probability that the best sentence's passage answers this part."""
    best = max(range(len(candidates)), key=scores.__getitem__)
    passage = candidates[best].quotes[0].passage
    together = [one for one in candidates if one.quotes[0].passage == passage]
    held = frozenset().union(*(one.terms for one in together))
    whole = _Candidate((), held, candidates[best].title_terms, None, "", 0.0)
    logit = (
        weights.support_bias
        + weights.support_cosine * max(_cosine(part, one) for one in together)
        + weights.support_passage * candidates[best].passage_score
        + weights.support_overlap * _overlap(whole, rarity, words)
    )
    return 1 / (1 + math.exp(-logit))


def _add_best(chosen: list[_Candidate], candidates: Sequence[_Candidate], scores: Sequence[float], limit: int) -> None:
    """Adds up to `limit` sentences: the best, and those nearly as good that say something else."""
    order = sorted(range(len(candidates)), key=lambda index: (-scores[index], index))
    added = 0
    for index in order:
        if added == limit or scores[index] < SECOND_BEST * scores[order[0]]:
            return
        candidate = candidates[index]
        if candidate in chosen:
            added += 1  # another part of the question chose it: it answers this one too
        elif not any(_say_the_same(candidate, other) for other in chosen):
            chosen.append(candidate)
            added += len(candidate.quotes)


def _say_the_same(left: _Candidate, right: _Candidate) -> bool:
    if left.vector is not None and right.vector is not None and np.dot(left.vector, right.vector) >= SAME_MEANING:
        return True
    return len(left.terms & right.terms) >= SAME_WORDS * len(left.terms | right.terms)


def _in_reading_order(chosen: Sequence[_Candidate]) -> tuple[Quote, ...]:
    quotes = dict.fromkeys(quote for candidate in chosen for quote in candidate.quotes)
    rank = {passage: place for place, passage in enumerate(dict.fromkeys(quote.passage for quote in quotes))}
    return tuple(sorted(quotes, key=lambda quote: (rank[quote.passage], quote.sentence)))
