"""What the intent classifier sees of a text besides its vector: hashed character and word n-grams, weighed by rarity.

They tell apart what an encoder finds alike (top-up by card, by transfer), and forgive typos. The n-grams are those of
the detectors; here each is thrown with a sign into one of `DIMENSION` places (Weinberger et al., 2009), so that a text
is a short dense row and training is a few matrix products.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from helios.detection.features import BUCKETS, Grams, grams

Floats = npt.NDArray[np.float32]

DIMENSION: Final = 2048
_SEED: Final = 77


def _places() -> tuple[npt.NDArray[np.int64], Floats]:
    source = np.random.default_rng(_SEED)
    return source.integers(0, DIMENSION, BUCKETS), source.choice(np.array([-1.0, 1.0], np.float32), BUCKETS)


_PLACE, _SIGN = _places()


def rarity_of(texts: Sequence[str]) -> Floats:
    """(BUCKETS,) float32: how much each n-gram tells, by the number of these texts that have it (smoothed idf)."""
    held = np.zeros(BUCKETS, np.float32)
    for text in texts:
        found = grams(text)
        held[found.characters] += 1
        held[found.words] += 1
    return (np.log((len(texts) + 1) / (held + 1)) + 1).astype(np.float32)


def gram_rows(texts: Sequence[str], rarity: Floats) -> Floats:
    """(texts, DIMENSION) float32: characters and words weigh the same, each of about unit length."""
    rows = np.zeros((len(texts), DIMENSION), np.float32)
    for row, text in zip(rows, texts, strict=True):
        _fill(row, grams(text), rarity)
    return rows


def _fill(row: Floats, found: Grams, rarity: Floats) -> None:
    for numbers in (found.characters, found.words):
        weights: npt.NDArray[Any] = rarity[numbers]
        if len(weights):
            np.add.at(row, _PLACE[numbers], _SIGN[numbers] * weights / np.linalg.norm(weights))
