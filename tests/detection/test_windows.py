from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helios.detection import cards
from helios.detection.spans import normalise
from helios.detection.windows import WindowCutter

ANSWER = (
    "You can order a new card in the app, under Cards. It costs $5.00 and arrives in 5 to 7 business days [1]. "
    "If you need it sooner, e.g. before a trip, ask for express delivery: it takes 2 days.[2] Anything else?"
)


def cut(*deltas: str) -> list[str]:
    cutter = WindowCutter()
    windows = [window for delta in deltas for window in cutter.feed(delta)]
    return windows + cutter.flush()


def test_windows_are_sentences_and_clauses() -> None:
    assert cut(ANSWER) == [
        "You can order a new card in the app, ",
        "under Cards. It costs $5.00 and arrives in 5 to 7 business days [1]. ",
        "If you need it sooner, ",
        "e.g. before a trip, ",
        "ask for express delivery: ",
        "it takes 2 days.[2] ",
        "Anything else?",
    ]


@given(st.text(alphabet=st.sampled_from("ab 1.,!?\n[]()-4é"), max_size=200), st.lists(st.integers(0, 200), max_size=12))
@settings(max_examples=500, deadline=None)
def test_windows_joined_are_what_was_fed(text: str, cuts: list[int]) -> None:
    edges = [0, *sorted(min(c, len(text)) for c in cuts), len(text)]
    assert "".join(cut(*(text[a:b] for a, b in pairwise(edges)))) == text


@given(st.lists(st.integers(0, len(ANSWER)), max_size=40))
def test_cuts_do_not_depend_on_how_the_text_arrives(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(ANSWER)]
    assert cut(*(ANSWER[a:b] for a, b in pairwise(edges))) == cut(ANSWER)


@pytest.mark.parametrize(
    "whole",
    [
        "1,250.00",
        "4111 1111 1111 1111",
        "4111, 1111, 1111, 1111",
        "DE89 3704 0044 0532 0130 00",
        "help@bank.example",
        "[1]",
        "[the page](https://bank.example/a, b)",
        "four one one one",
        "+1 212 555 0134",
        "Mr. Smith",
        "12. 05. 2024",
    ],
)
@pytest.mark.parametrize("words_before", [0, 3, 5, 25, 29, 31])
def test_never_cut_inside(whole: str, words_before: int) -> None:
    text = "word " * words_before + "we say: " + whole + ", and so on. " + "More words follow here, as they do. " * 3
    for size in (1, 3, 7, len(text)):
        windows = cut(*(text[i : i + size] for i in range(0, len(text), size)))
        assert any(whole in window for window in windows), windows


SEPARATORS = st.sampled_from(["", " ", "-", ", ", "\u00a0", ". ", "\n"])


@given(st.integers(0, 60), SEPARATORS, st.integers(1, 30), st.sampled_from(["4111111111111111", "5555555555554444"]))
@settings(max_examples=400, deadline=None)
def test_card_number_is_whole_in_one_window(words: int, separator: str, size: int, card: str) -> None:
    written = separator.join(card[i : i + 4] for i in range(0, 16, 4))
    text = "some words, " * (words // 2) + "the card is " + written + " and no other, as far as we know."
    windows = cut(*(text[i : i + size] for i in range(0, len(text), size)))
    assert any(cards.find(normalise(window).text) for window in windows), windows


def test_long_text_without_punctuation_is_not_kept_waiting() -> None:
    windows = cut(*(f"word{'' if i % 2 else 's'} " for i in range(200)))
    assert max(len(window.split()) for window in windows) <= 32


def test_clause_goes_out_as_soon_as_the_next_word_begins() -> None:
    cutter = WindowCutter()
    assert cutter.feed("You can do this in the app, ") == []
    assert cutter.feed("u") == ["You can do this in the app, "]
