import numpy as np

from helios.knowledge.bm25 import WordIndex, phrases, stems
from helios.knowledge.fusion import Fusion, Piece, Question

NORTH, EAST, SOUTH = np.eye(3, dtype=np.float32)


def test_rarer_words_score_higher_and_a_word_counts_once_a_query() -> None:
    index = WordIndex([["fee", "card"], ["fee", "braille"], ["fee"]])
    scores = index.scores(["fee", "braille"])
    assert scores.argmax() == 1
    assert (index.scores(["fee", "fee"]) == index.scores(["fee"])).all()
    assert not index.scores(["unheard"]).any()


def test_stems_and_phrases_forgive_endings() -> None:
    assert stems("The withdrawals", "en") == stems("withdrawal", "en")
    assert phrases("Silver Zoom Cards") == ["silver zoom", "zoom card"]


def test_a_document_is_as_near_as_its_nearest_piece() -> None:
    pieces = [
        Piece("a", "One", "alpha", NORTH),
        Piece("a", "One", "beta", EAST),
        Piece("b", "Two", "gamma", SOUTH),
    ]
    fusion = Fusion(pieces, "en")
    assert fusion.documents == ("a", "b")
    assert fusion.scores(Question("delta", ("delta",), EAST[None])).argmax() == 0
    assert fusion.scores(Question("delta", ("delta",), SOUTH[None])).argmax() == 1


def test_a_name_in_the_title_tells_products_of_one_text_apart() -> None:
    pieces = [Piece(name, f"{name} Card: fees", "It costs 5 dollars.", NORTH) for name in ("Silver Zoom", "Gold Zoom")]
    fusion = Fusion(pieces, "en")
    assert fusion.scores(Question("What does the gold zoom cost?", (), NORTH[None])).argmax() == 1


def test_each_sentence_of_a_long_question_has_its_say() -> None:
    pieces = [Piece("a", "A", "alpha", NORTH), Piece("b", "B", "beta", EAST), Piece("c", "C", "gamma", SOUTH)]
    question = Question("x. y.", ("x.", "y."), np.stack([SOUTH, EAST, EAST]))
    scores = Fusion(pieces, "en").scores(question)
    assert scores[1] > scores[0]
