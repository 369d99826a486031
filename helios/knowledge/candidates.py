"""What an answer may quote, and what it is held against: the sentences of passages, and the parts of a question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from helios.knowledge.query import (
    asked_kinds,
    is_follow_up,
    previous_question,
    question_parts,
    topic_terms,
    with_context,
)
from helios.knowledge.sentences import split_sentences
from helios.knowledge.terms import fold, terms, words_of

if TYPE_CHECKING:
    from helios.llm.base import Passage, Prompt
    from helios.models.embedder import TextEncoder, Vectors

CONTEXT_SHARE: Final = 0.4
"""What a word of the question before counts in a follow-up."""
MIN_WORDS: Final = 4


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence of a passage: the 0-based places of both."""

    passage: int
    sentence: int
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One question of the message: its words with their weight, its vector, and the kinds of thing it asks for."""

    terms: dict[str, float]
    vector: Vectors | None
    kinds: frozenset[str]
    offer: bool
    """Asks whether there is a thing at all: "do you sell gold?"."""
    text: str = ""
    """With what it takes along."""
    place: int = 0
    """Among the questions of the message, from 0."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """One or two sentences that stand alone together; the last one is what is weighed."""

    quotes: tuple[Quote, ...]
    terms: frozenset[str]
    title_terms: frozenset[str]
    vector: Vectors | None
    folded: str

    @property
    def passage(self) -> int:
        return self.quotes[0].passage


def parts_of(prompt: Prompt, encoder: TextEncoder | None) -> list[Part]:
    """The questions of the prompt that have words of their own or take some along."""
    language = prompt.language
    texts = question_parts(prompt.question, language)
    parts: list[Part] = []
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
        if weighted:
            offer = words_of(language).offer.search(fold(text)) is not None
            whole = query if len(texts) > 1 else prompt.question
            parts.append(Part(weighted, vector, kinds, offer, whole, index))
    return parts


def candidates_of(prompt: Prompt, encoder: TextEncoder | None) -> list[Candidate]:
    """Every sentence that says something, passage by passage."""
    dependent = words_of(prompt.language).dependent
    candidates: list[Candidate] = []
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
                candidates.append(Candidate(quotes, own_terms, title_terms, vector, folded))
    return candidates


def _sentence_vectors(passage: Passage, sentences: Sequence[str], encoder: TextEncoder | None) -> Vectors | None:
    if passage.sentence_vectors is not None and len(passage.sentence_vectors) == len(sentences):
        return passage.sentence_vectors
    return encoder.embed(sentences) if encoder is not None else None


def _is_statement(sentence: str) -> bool:
    """Headings, lead-ins of lists and questions say nothing to a customer."""
    return sentence.rstrip("\"'”’»)")[-1:] in {".", "!", "。"} and len(sentence.split()) >= MIN_WORDS
