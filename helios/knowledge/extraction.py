"""Chooses the sentences of retrieved passages that answer a question: no word is made up, and none is changed.

Each sentence is weighed by four things: how near its vector is to the question's, how much of the question's rarer
words it holds, how well its passage was retrieved, and whether it holds the kind of thing that is asked for (an
amount, a time, a way). Whether anything answers at all is decided by one logistic score, for which it also counts
whether the question fits any intent. Both are measured in docs/answers.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from helios.knowledge.query import (
    asked_kinds,
    is_follow_up,
    previous_question,
    question_parts,
    topic_terms,
    with_context,
)
from helios.knowledge.sentences import split_sentences
from helios.knowledge.terms import best_match, fold, terms, words_of

if TYPE_CHECKING:
    from helios.llm.base import Passage, Prompt
    from helios.models.embedder import TextEncoder, Vectors

MAX_SENTENCES, MAX_SENTENCES_OF_PART = 4, 2
ENCODER_LANGUAGE = "en"


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each sign counts. `support` is a logistic score: a weight for each of `_Evidence.support`.

    Fitted on questions that the demo bank's articles answer and on questions that they do not, near ones (does the card
    earn miles?) and far ones; the bias leans towards saying no.
    """

    cosine: float
    overlap: float
    passage: float
    whole: float
    kind: float
    support: tuple[float, ...]


ENGLISH = Weights(1.0, 0.25, 0.7, 0.45, 0.1, (-7.9, 6.17, 5.29, 1.65, 1.23, -0.12))
OTHER = Weights(0.5, 1.0, 0.3, 0.5, 0.2, (-5.0, 2.0, 2.0, 7.0, 0.5, 0.0))
"""Languages that the encoder has not learnt: words count for more than vectors."""

TITLE_SHARE = 0.7
"""A question's word that only the passage's title holds, against one in the sentence itself."""
CONTEXT_SHARE = 0.4
"""A word of the question before, in a follow-up."""
SECOND_BEST, SECOND_BEST_OF_PART = 0.8, 0.94
"""A further sentence is added from this share of the best one's score; a stricter one for one of several parts."""
SAME_WORDS, SAME_MEANING = 0.6, 0.8
"""From which share of common words (Jaccard), or cosine, two sentences say the same."""
MIN_WORDS = 4
SUPPORTED = 0.5
USUAL_FOREIGN = 0.05
"""How likely a question belongs to no intent, where nobody can tell."""


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
    """One question of the message: its words with their weight, its vector, and the kinds of thing it asks for."""

    terms: dict[str, float]
    vector: Vectors | None
    kinds: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class _Candidate:
    """One or two sentences that stand alone together; the last one is what is weighed."""

    quotes: tuple[Quote, ...]
    terms: frozenset[str]
    title_terms: frozenset[str]
    vector: Vectors | None
    folded: str
    passage_score: float

    @property
    def passage(self) -> int:
        return self.quotes[0].passage


@dataclass(frozen=True, slots=True, eq=False)
class _Evidence:
    """What speaks for each candidate as an answer to one part: arrays (candidates,)."""

    cosine: npt.NDArray[np.float64]
    overlap: npt.NDArray[np.float64]
    passage: npt.NDArray[np.float64]
    kind: npt.NDArray[np.float64]
    whole: npt.NDArray[np.float64]
    """The share of the part's words that the candidate's whole passage holds."""

    def scores(self, weights: Weights) -> npt.NDArray[np.float64]:
        return (
            weights.cosine * self.cosine
            + weights.overlap * self.overlap
            + weights.passage * self.passage
            + weights.whole * self.whole
            + weights.kind * self.kind
        )

    def support(self, best: int, foreign: float) -> tuple[float, ...]:
        """What the best candidate says about whether anything answers: 1, four of the arrays' values, and how likely
        (log odds) the question belongs to no intent."""
        odds = math.log((foreign + 1e-4) / (1 - foreign + 1e-4))
        signs = (self.cosine[best], self.passage.max(), self.whole[best], self.kind[best], odds)
        return (1.0, *(float(sign) for sign in signs))


def select_sentences(prompt: Prompt, encoder: TextEncoder | None = None, foreign: float = USUAL_FOREIGN) -> Selection:
    """The sentences that answer the prompt's question. `foreign` is the probability that it belongs to no intent.

    `encoder` lets each part of a question have a vector of its own, and passages without vectors have theirs. The
    same prompt always gives the same selection.
    """
    weights = ENGLISH if prompt.language == ENCODER_LANGUAGE else OTHER
    candidates = _candidates(prompt, encoder)
    parts = [part for part in _parts(prompt, encoder) if part.terms]
    if not candidates:
        return Selection((), 0.0)
    chosen: list[_Candidate] = []
    support = 0.0
    for part in parts:
        evidence = _evidence(part, candidates, prompt.language)
        scores = evidence.scores(weights)
        part_support = _logistic(np.dot(weights.support, evidence.support(int(scores.argmax()), foreign)))
        support = max(support, part_support)
        if part_support >= SUPPORTED:
            if len(parts) == 1:
                _add_best(chosen, candidates, scores, MAX_SENTENCES, SECOND_BEST)
            else:
                _add_best(chosen, candidates, scores, MAX_SENTENCES_OF_PART, SECOND_BEST_OF_PART)
    return Selection(_in_reading_order(chosen), support)


def _parts(prompt: Prompt, encoder: TextEncoder | None) -> list[_Part]:
    language = prompt.language
    texts = question_parts(prompt.question, language)
    parts: list[_Part] = []
    for index, text in enumerate(texts):
        before = texts[0] if index else previous_question(prompt.question, prompt.history, language)
        kinds = asked_kinds(text, language)
        query, weighted = text, dict.fromkeys(terms(text, language), 1.0)
        if before and is_follow_up(text, language):
            query = with_context(text, before, language)
            taken = topic_terms(before, language) if kinds else terms(before, language)
            weighted = dict.fromkeys(taken, CONTEXT_SHARE) | weighted
        vector = prompt.question_vector
        if encoder is not None and (vector is None or len(texts) > 1):
            vector = encoder.embed([query])[0]
        parts.append(_Part(weighted, vector, kinds))
    return parts


def _candidates(prompt: Prompt, encoder: TextEncoder | None) -> list[_Candidate]:
    dependent = words_of(prompt.language).dependent
    candidates: list[_Candidate] = []
    for index, passage in enumerate(prompt.passages):
        sentences = passage.sentences or split_sentences(passage.text)
        vectors = _sentence_vectors(passage, sentences, encoder)
        title_terms = frozenset(terms(passage.title, prompt.language))
        opening: tuple[Quote, ...] = ()
        for position, sentence in enumerate(sentences):
            folded = fold(sentence)
            # "It takes two days." says what only after the sentence before it.
            leans = dependent.match(folded) is not None
            quotes = (*(opening if leans else ()), Quote(index, position, sentence))
            stands = _is_statement(sentence) and (not leans or len(quotes) == 2)
            opening = quotes[-1:] if stands and not leans else ()
            if stands:
                own_terms = frozenset(terms(" ".join(quote.text for quote in quotes), prompt.language))
                vector = vectors[position] if vectors is not None else None
                candidates.append(_Candidate(quotes, own_terms, title_terms, vector, folded, passage.score))
    return candidates


def _sentence_vectors(passage: Passage, sentences: Sequence[str], encoder: TextEncoder | None) -> Vectors | None:
    if passage.sentence_vectors is not None and len(passage.sentence_vectors) == len(sentences):
        return passage.sentence_vectors
    return encoder.embed(sentences) if encoder is not None else None


def _is_statement(sentence: str) -> bool:
    """Headings, lead-ins of lists and questions say nothing to a customer."""
    return sentence.rstrip("\"'”’»)")[-1:] in {".", "!", "。"} and len(sentence.split()) >= MIN_WORDS


def _evidence(part: _Part, candidates: Sequence[_Candidate], language: str) -> _Evidence:
    asked = list(part.terms)
    sentence = _matches(asked, [one.terms for one in candidates], language)
    title = TITLE_SHARE * _matches(asked, [one.title_terms for one in candidates], language)
    held = np.maximum(sentence, title)
    shares = _rarity(part, held)
    place: dict[int, list[int]] = {one.passage: [] for one in candidates}
    for row, one in enumerate(candidates):
        place[one.passage].append(row)
    whole = held @ shares
    for rows in place.values():
        whole[rows] = held[rows].max(axis=0) @ shares
    answers = [pattern for kind, pattern in words_of(language).answers.items() if kind in part.kinds]
    kind = [sum(bool(pattern.search(one.folded)) for pattern in answers) / max(1, len(answers)) for one in candidates]
    return _Evidence(
        cosine=np.array([_cosine(part, one) for one in candidates]),
        overlap=held @ shares,
        passage=np.array([one.passage_score for one in candidates]),
        kind=np.array(kind),
        whole=whole,
    )


def _matches(asked: Sequence[str], held: Sequence[frozenset[str]], language: str) -> npt.NDArray[np.float64]:
    """(candidates, terms): how far each candidate holds each term, 0..1."""
    return np.array([[best_match(term, words, language) for term in asked] for words in held], dtype=np.float64)


def _rarity(part: _Part, held: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(terms,): each term's share of the question. The rarer among the sentences at hand, the more it tells apart."""
    total = len(held)
    holding = (held >= 0.4).sum(axis=0)
    rarity = 0.3 + np.log((total + 1) / (holding + 0.5)) / math.log(2 * total + 2)
    weighed = rarity * np.array(list(part.terms.values()))
    shares: npt.NDArray[np.float64] = weighed / weighed.sum()
    return shares


def _cosine(part: _Part, candidate: _Candidate) -> float:
    if part.vector is None or candidate.vector is None:
        return 0.0
    return float(np.dot(part.vector, candidate.vector))


def _logistic(score: float) -> float:
    return 1 / (1 + math.exp(-score))


def _add_best(
    chosen: list[_Candidate],
    candidates: Sequence[_Candidate],
    scores: npt.NDArray[np.float64],
    limit: int,
    share: float,
) -> None:
    """Adds up to `limit` sentences: the best, and those that reach `share` of its score and say something else."""
    order = np.argsort(-scores, kind="stable")
    added = 0
    for index in order:
        if added >= limit or scores[index] < share * scores[order[0]]:
            return
        candidate = candidates[index]
        if any(candidate is other for other in chosen):
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
