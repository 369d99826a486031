from dataclasses import replace
from uuid import uuid4

import numpy as np
import pytest

from helios.knowledge.ranking import rank_passages, word_overlap
from helios.llm.base import Passage

QUESTION = np.eye(384, dtype=np.float32)[0]


def passage(text: str, score: float, best_sentence: float = 0.0, language: str = "en") -> Passage:
    sentence = np.zeros((1, 384), np.float32)
    sentence[0, :2] = best_sentence, (1 - best_sentence**2) ** 0.5
    return Passage(uuid4(), uuid4(), 1, "Help", text, language, score, None, (text,), sentence)


def test_in_english_the_vectors_lead_and_a_near_sentence_lifts_its_passage() -> None:
    far = passage("Fees are listed here.", 0.3)
    near = passage("Cards are posted.", 0.6, 0.5)
    nearest_sentence = passage("Mortgages exist.", 0.55, 0.9)
    assert rank_passages([far, near, nearest_sentence], "what are the fees", QUESTION, "en") == (
        nearest_sentence,
        near,
        far,
    )


def test_in_a_language_that_the_encoder_does_not_know_words_lead() -> None:
    other = passage("Karten werden per Post geschickt.", 0.6, 0.6, "de")
    right = passage("Die Gebühr für Überweisungen beträgt 5 Dollar.", 0.4, 0.4, "de")
    assert rank_passages([other, right], "Welche Gebühr hat eine Überweisung?", QUESTION, "de") == (right, other)


def test_rare_words_count_for_more_than_common_ones() -> None:
    candidates = [
        passage("account account", 0.5),
        passage("account fee", 0.5),
        passage("account limit", 0.5),
        passage("braille", 0.5),
    ]
    overlaps = word_overlap(candidates, "account in braille", "en")
    assert overlaps[3] > overlaps[0] == overlaps[1] > 0
    assert sum(overlaps) <= len(candidates)


def test_ties_keep_their_order_and_the_limit_holds() -> None:
    candidates = [passage(f"same words {n}", 0.5) for n in range(12)]
    assert rank_passages(candidates, "something", QUESTION, "en", limit=3) == tuple(candidates[:3])
    assert rank_passages([], "something", QUESTION, "en") == ()


def test_passages_without_sentence_vectors_are_ranked_by_their_own() -> None:
    plain = Passage(uuid4(), uuid4(), 1, "Help", "Cards.", "en", 0.7)
    assert rank_passages([passage("x", 0.1), plain], "cards", QUESTION, "en")[0] is plain
    assert word_overlap([plain], "the of", "en") == pytest.approx([0.0])


def test_a_long_message_finds_what_only_one_of_its_sentences_names() -> None:
    message = "I moved to Leeds in May. My cat is well. The braille statements never came. Please look into it."
    near = passage("Cards are posted within a week.", 0.55, 0.55)
    named = passage("Braille statements are free of charge.", 0.5, 0.5)
    others = [passage(f"Loans of {n} kinds exist.", 0.1, 0.1) for n in range(4)]
    assert rank_passages([near, named, *others], "where is it?", QUESTION, "en")[0] is near
    assert rank_passages([near, named, *others], message, QUESTION, "en")[0] is named


def test_an_article_that_several_passages_speak_for_comes_before_a_lone_one_as_near() -> None:
    lone = passage("Cards are posted.", 0.6, 0.6)
    first, second = passage("A wire costs 20 dollars.", 0.6, 0.6), passage("Wires leave at 4 pm.", 0.58, 0.6)
    second = replace(second, source_id=first.source_id)
    assert rank_passages([lone, first, second], "something", QUESTION, "en") == (first, second, lone)


def test_between_two_languages_only_the_space_that_knows_both_orders() -> None:
    near = passage("Sending money abroad costs 5 dollars.", 0.1, 0.1)
    loan_word = passage("The Konto programme is for students.", 0.9, 0.9)
    others = [passage(f"Loans of {n} kinds exist.", 0.2, 0.2) for n in range(4)]
    candidates, nearness = [loan_word, near, *others], [0.80, 0.82, *[0.7] * 4]
    question = "Was kostet es, vom Konto Geld ins Ausland zu senden?"
    assert rank_passages(candidates, question, QUESTION, "en", nearness=nearness, asked="de")[0] is near
    assert rank_passages(candidates, question, QUESTION, "en", nearness=nearness)[0] is loan_word


def test_of_an_article_and_its_translation_the_one_that_is_read_comes_first() -> None:
    english = passage("Sending money abroad costs 5 dollars.", 0.9, 0.9)
    german = passage("Geld ins Ausland zu senden kostet 5 Dollar.", 0.4, 0.4, "de")
    others = [passage(f"Loans of {n} kinds exist.", 0.2, 0.2) for n in range(4)]
    nearness = [0.82, 0.815, *[0.7] * 4]
    found = rank_passages([english, german, *others], "Was kostet es?", QUESTION, "de", nearness=nearness, asked="de")
    assert found[0] is german
