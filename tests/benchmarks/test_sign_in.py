"""The test that decides whether two kinds of answers can be told apart by their time can tell."""

from __future__ import annotations

import random

from benchmarks.sign_in import mann_whitney


def test_one_distribution_is_not_told_from_itself_and_a_shifted_one_is() -> None:
    chance = random.Random(20_261_122)
    one = [chance.gauss(50, 5) for _ in range(240)]
    same = [chance.gauss(50, 5) for _ in range(240)]
    slower = [chance.gauss(52, 5) for _ in range(240)]
    p, superiority = mann_whitney(one, same)
    assert p > 0.05
    assert 0.45 < superiority < 0.55
    p, superiority = mann_whitney(slower, one)
    assert p < 0.001
    assert superiority > 0.58


def test_a_worked_example() -> None:
    """All of one above all of the other: U is n·m, and z = 4.5 / sqrt(5.25)."""
    p, superiority = mann_whitney([4, 5, 6], [1, 2, 3])
    assert superiority == 1
    assert abs(p - 0.0495) < 0.001
