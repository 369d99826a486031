"""Trained detectors: logistic regressions over a text's sentence vector and its hashed n-grams, read from ``weights/``.

Trained by ``python -m evals.detectors.train`` (see docs/detectors.md). At run time a sum of rows: no scikit-learn, and
no second pass of the encoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from helios.detection.features import BUCKETS, Grams, scale

Floats = npt.NDArray[np.float32]

DIMENSION: Final = 384
FOLDER: Final = Path(__file__).parent / "weights"


@dataclass(frozen=True, slots=True, eq=False)
class Heads:
    """A detector for each of ``names``: ``weights`` is (DIMENSION + BUCKETS, names) float32, the vector's part first.

    A head says yes from its threshold on, 0..1.
    """

    names: tuple[str, ...]
    weights: Floats
    bias: Floats
    thresholds: Floats

    def probabilities(self, grams: Grams, vector: Floats | None) -> Floats:
        """(names,) float32, 0..1. Without a vector its part is left out, which suits heads trained that way."""
        logits = self.bias.copy()
        if vector is not None:
            logits += vector @ self.weights[:DIMENSION]
        for numbers in (grams.characters, grams.words):
            if len(numbers):
                logits += self.weights[DIMENSION + numbers].sum(axis=0) * np.float32(scale(len(numbers)))
        return (1 / (1 + np.exp(-logits))).astype(np.float32)

    def found(
        self, grams: Grams, vector: Floats | None, thresholds: Mapping[str, float] | None = None
    ) -> list[tuple[str, float]]:
        """Names and probabilities of the heads that say yes. ``thresholds`` stand in for a head's own."""
        chosen = thresholds or {}
        probabilities = self.probabilities(grams, vector)
        return [
            (name, float(probability))
            for name, probability, threshold in zip(self.names, probabilities, self.thresholds, strict=True)
            if probability >= chosen.get(name, threshold)
        ]


@cache
def load(name: str) -> Heads:
    """The heads of ``weights/name.npz``. Raises ValueError for a file that does not fit this code."""
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as archive:
        heads = Heads(
            tuple(str(each) for each in archive["names"]),
            archive["weights"].astype(np.float32),
            archive["bias"].astype(np.float32),
            archive["thresholds"].astype(np.float32),
        )
    if heads.weights.shape != (DIMENSION + BUCKETS, len(heads.names)):
        raise ValueError(f"{name}: {heads.weights.shape} are weights for other features")
    return heads


def save(name: str, heads: Heads) -> None:
    """Writes ``weights/name.npz``, the weights in half precision."""
    FOLDER.mkdir(exist_ok=True)
    np.savez_compressed(
        FOLDER / f"{name}.npz",
        names=np.array(heads.names),
        weights=heads.weights.astype(np.float16),
        bias=heads.bias,
        thresholds=heads.thresholds,
    )
