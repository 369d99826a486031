"""The area under the receiver's curve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def auroc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """How often a positive's score is above a negative's; equal ones count half (Hanley & McNeil, 1982)."""
    ordered = np.sort(np.asarray(negative, dtype=np.float64))
    places = np.searchsorted(ordered, positive, "left") + np.searchsorted(ordered, positive, "right")
    return float(places.mean() / (2 * len(ordered)))
