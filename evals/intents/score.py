"""How predictions are judged: accuracy, area under the curve, and F1 of several names."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np


def accuracy(expected: Sequence[str], found: Sequence[str]) -> float:
    return float(np.mean([one == other for one, other in zip(expected, found, strict=True)]))


def auroc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """How often a positive's score is above a negative's; equal ones count half (Hanley & McNeil, 1982)."""
    ordered = np.sort(np.asarray(negative, dtype=np.float64))
    places = np.searchsorted(ordered, positive, "left") + np.searchsorted(ordered, positive, "right")
    return float(places.mean() / (2 * len(ordered)))


def micro_f1(expected: Sequence[Collection[str]], found: Sequence[Collection[str]]) -> float:
    """F1 over all names of all texts."""
    both = sum(len(set(one) & set(other)) for one, other in zip(expected, found, strict=True))
    return 2 * both / max(1, sum(map(len, expected)) + sum(map(len, found)))
