from __future__ import annotations

import pytest

from evals.intents.score import accuracy, auroc, micro_f1


def test_names_are_judged_by_how_many_are_right() -> None:
    assert accuracy(["a", "b", "b", "c"], ["a", "b", "c", "c"]) == 0.75


@pytest.mark.parametrize(
    ("positive", "negative", "area"),
    [([3, 4], [1, 2], 1.0), ([1], [2], 0.0), ([1, 2], [1, 2], 0.5), ([2], [1, 3], 0.5)],
)
def test_the_area_counts_pairs_and_halves_ties(positive: list[float], negative: list[float], area: float) -> None:
    assert auroc(positive, negative) == area


def test_several_names_are_judged_over_all_texts() -> None:
    assert micro_f1([["a", "b"], ["c"]], [["a"], ["c", "d"]]) == pytest.approx(2 / 3)
