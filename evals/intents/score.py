"""How predictions are judged: accuracy, area under the curve, and F1 of several names."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from helios.models.auroc import auroc

__all__ = ["accuracy", "auroc", "micro_f1"]


def accuracy(expected: Sequence[str], found: Sequence[str]) -> float:
    return float(np.mean([one == other for one, other in zip(expected, found, strict=True)]))


def micro_f1(expected: Sequence[Collection[str]], found: Sequence[Collection[str]]) -> float:
    """F1 over all names of all texts."""
    both = sum(len(set(one) & set(other)) for one, other in zip(expected, found, strict=True))
    return 2 * both / max(1, sum(map(len, expected)) + sum(map(len, found)))
