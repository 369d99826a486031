"""Several questions in one message: what is searched for, and what the answer may rest on."""

from __future__ import annotations

from uuid import UUID

from helios.knowledge.several import interleaved, queries_of
from helios.llm.base import PastMessage
from schema.steps import ScoredPassage

A, B, C, D = (ScoredPassage(UUID(int=number), 0.5) for number in range(4))


def test_each_question_is_searched_for_by_itself() -> None:
    message = "How do I block my card? What does a transfer abroad cost?"
    assert queries_of(message, ()) == ("How do I block my card?", "What does a transfer abroad cost?")


def test_a_question_that_leans_on_the_first_takes_its_topic_along() -> None:
    first, second = queries_of("Can my wife have a second card? What does it cost?", ())
    assert first == "Can my wife have a second card?"
    assert second.startswith("What does it cost?")
    assert "card" in second


def test_one_question_is_completed_by_the_history() -> None:
    history = (PastMessage("customer", "What does a transfer abroad cost?"),)
    (query,) = queries_of("And how long does it take?", history)
    assert "transfer" in query


def test_the_best_of_each_search_come_first_and_each_passage_once() -> None:
    better = ScoredPassage(B.chunk_id, 0.9)
    assert interleaved([[A, B, C], [D, better]], 10) == [A, D, better, C]
    assert interleaved([[A, B, C], [D, better]], 2) == [A, D]
    assert interleaved([[A, B, C]], 2) == [A, B]
