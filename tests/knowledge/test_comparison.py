"""What a reviewer is shown of two versions."""

from __future__ import annotations

from helios.knowledge.comparison import Change, compare


def test_sentences_that_are_the_same_are_only_counted() -> None:
    before = "One stays. Two goes. Three stays. Four was so. Five stays."
    after = "One stays. Three stays. Four is so. Five stays. Six is new."
    assert compare(before, after) == [
        Change("removed", ("Two goes.",), (), 1),
        Change("changed", ("Four was so.",), ("Four is so.",), 1),
        Change("added", (), ("Six is new.",), 1),
    ]


def test_without_an_earlier_version_everything_is_added() -> None:
    assert compare("", "One. Two.") == [Change("added", (), ("One.", "Two."), 0)]


def test_the_same_text_has_no_changes() -> None:
    assert compare("One. Two.", "One. Two.") == []
