"""A view of vectors in which the texts of one class differ alike in every direction.

Where the examples of an intent differ much from each other, a difference says little about the intent (within-class
covariance normalisation, Hatch et al., 2006). What few examples say of that is drawn towards no change at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

PRIOR_PER_DIMENSION: Final = 32
"""So many examples a dimension would have to agree before theirs counts as much as no change."""


@dataclass(frozen=True, slots=True, eq=False)
class Whitening:
    """`centre` (d,), `directions` (d, d)."""

    centre: Floats
    directions: Floats

    def apply(self, vectors: Floats) -> Floats:
        """Rows of unit length; a row of zeros where a vector is the centre itself."""
        turned = (vectors - self.centre) @ self.directions
        length = np.linalg.norm(turned, axis=-1, keepdims=True)
        result: Floats = turned / np.maximum(length, np.float32(1e-9))
        return result


def learn(vectors: Floats, targets: npt.NDArray[Any]) -> Whitening:
    """Of `vectors` (n, d) and what each belongs to: `targets` (n, classes), 0 or 1, several in a row allowed."""
    examples = vectors.astype(np.float64)
    inside = examples - _means(examples, targets)
    dimension = vectors.shape[1]
    spread = inside.T @ inside
    free = max(1, len(vectors) - targets.shape[1])
    prior = PRIOR_PER_DIMENSION * dimension
    mean_spread = max(float(np.trace(spread)) / free / dimension, 1e-9)
    covariance = (spread + prior * mean_spread * np.eye(dimension)) / (free + prior)
    values, axes = np.linalg.eigh(covariance)
    return Whitening(
        examples.mean(axis=0).astype(np.float32), (axes * np.sqrt(mean_spread / values)).astype(np.float32)
    )


def _means(examples: npt.NDArray[Any], targets: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(n, d): the mean of each example's class, or of its classes' means where it has several."""
    held = np.asarray(targets, dtype=np.float64)
    centres = (held.T @ examples) / np.maximum(held.sum(axis=0), 1)[:, None]
    mine: npt.NDArray[Any] = (held @ centres) / np.maximum(held.sum(axis=1), 1)[:, None]
    return mine
