import pytest

from helios.knowledge.query import contextual_query, is_follow_up, question_parts
from helios.llm.base import PastMessage

COST = PastMessage("customer", "What does a transfer abroad cost?")
ANSWER = PastMessage("assistant", "It costs 5 dollars. [1]")


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("And how long does it take?", "en"),
        ("and in Canada?", "en"),
        ("Is it free?", "en"),
        ("how long?", "en"),
        ("Und wie lange dauert das?", "de"),
        ("¿Y cuánto tarda?", "es"),
    ],
)
def test_what_leans_on_the_question_before_is_a_follow_up(question: str, language: str) -> None:
    assert is_follow_up(question, language)


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("How do I block my card?", "en"),
        ("My card was stolen in Rome and I need it replaced quickly", "en"),
        ("Wie sperre ich meine Karte?", "de"),
        ("¿Cómo bloqueo mi tarjeta?", "es"),
        ("", "en"),
    ],
)
def test_what_stands_alone_is_none(question: str, language: str) -> None:
    assert not is_follow_up(question, language)
    assert contextual_query(question, [COST, ANSWER], language) == question


def test_a_follow_up_takes_the_topic_along_and_not_what_was_asked_of_it() -> None:
    query = contextual_query("And how long does it take?", [COST, ANSWER])
    assert query.startswith("And how long does it take?")
    assert "transfer abroad" in query
    assert "cost" not in query


def test_a_follow_up_that_asks_nothing_of_its_own_takes_the_whole_question_along() -> None:
    assert contextual_query("And in Canada?", [COST, ANSWER]) == f"{COST.text} And in Canada?"


def test_the_last_question_that_stands_alone_is_taken_past_other_follow_ups() -> None:
    history = [COST, ANSWER, PastMessage("customer", "And how long does it take?"), ANSWER]
    assert contextual_query("And in Canada?", history) == f"{COST.text} And in Canada?"


def test_without_history_a_follow_up_stays_as_it_is() -> None:
    assert contextual_query("And in Canada?", []) == "And in Canada?"
    assert contextual_query("And in Canada?", [PastMessage("customer", "And in Canada?")]) == "And in Canada?"


@pytest.mark.parametrize(
    ("question", "language", "parts"),
    [
        ("What does it cost and how long does it take?", "en", ("What does it cost", "how long does it take?")),
        ("Is it free? How do I order one?", "en", ("Is it free?", "How do I order one?")),
        ("Terms and conditions for cards and loans?", "en", ("Terms and conditions for cards and loans?",)),
        ("Was kostet es und wie lange dauert es?", "de", ("Was kostet es", "wie lange dauert es?")),
        ("¿Cuánto cuesta y cuánto tarda?", "es", ("¿Cuánto cuesta", "cuánto tarda?")),
        ("I lost my card!! What do I do now", "en", ("I lost my card What do I do now",)),
        ("I moved, how do I tell you my new address", "en", ("I moved how do I tell you my new address",)),
        ("What does it cost? I am in a hurry!", "en", ("What does it cost? I am in a hurry!",)),
        ("a? b? c? d? e?", "en", ("a?", "b?", "c?")),
        ("?!", "en", ("?!",)),
    ],
)
def test_the_parts_of_a_question(question: str, language: str, parts: tuple[str, ...]) -> None:
    assert question_parts(question, language) == parts
