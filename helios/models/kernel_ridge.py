"""Ridge regression in the space of a kernel, and what it would have said of each example without having seen it.

With all examples as landmarks it is the exact solution, with fewer an approximation (Williams & Seeger, 2001). The
leave-one-out scores come from the leverages (Allen's PRESS, 1974): nothing is trained twice.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[Any]

_JITTER: Final = 1e-6
"""Two equal examples make the landmarks' matrix singular."""
_LEVERAGE_MAX: Final = 0.999


def landmark_map(between: Matrix) -> Matrix:
    """(m, m): turns a row of the kernel to m landmarks into features whose products are the kernel (Nystroem).

    `between` is the kernel among the landmarks.
    """
    lifted = between.astype(np.float64)
    lifted[np.diag_indices_from(lifted)] += _JITTER * len(lifted)
    return np.linalg.inv(np.linalg.cholesky(lifted)).T.astype(np.float32)


def fit(features: Matrix, targets: Matrix, penalty: float) -> tuple[Matrix, Matrix]:
    """Ridge regression: coefficients (d, classes) and leave-one-out scores (n, classes).

    `features` (n, d) float32, `targets` (n, classes).
    """
    return (
        _by_examples(features, targets, penalty)
        if len(features) < features.shape[1]
        else _by_features(features, targets, penalty)
    )


def _by_features(features: Matrix, targets: Matrix, penalty: float) -> tuple[Matrix, Matrix]:
    normal = (features.T @ features).astype(np.float64)
    normal[np.diag_indices_from(normal)] += penalty
    inverse = np.linalg.inv(normal).astype(np.float32)
    coefficients = inverse @ (features.T @ targets.astype(np.float32))
    leverage = np.minimum(((features @ inverse) * features).sum(axis=1), _LEVERAGE_MAX)[:, None]
    unseen = (features @ coefficients - leverage * targets) / (1 - leverage)
    return coefficients, unseen


def _by_examples(features: Matrix, targets: Matrix, penalty: float) -> tuple[Matrix, Matrix]:
    """The same by the products of the examples: cheaper where there are fewer of them than features."""
    products = (features @ features.T).astype(np.float64)
    products[np.diag_indices_from(products)] += penalty
    inverse = np.linalg.inv(products)
    weights = inverse @ targets
    unseen = targets - weights / np.diag(inverse)[:, None]
    return features.T @ weights.astype(np.float32), unseen.astype(np.float32)


def temperature(scores: Matrix, labels: Matrix) -> float:
    """What scores are multiplied with before the softmax: the likeliest for these labels (Guo et al., 2017)."""
    return float(min(np.geomspace(1, 60, 40), key=lambda factor: _surprise(factor * scores, labels)))


def _surprise(logits: Matrix, labels: Matrix) -> float:
    """The mean negative log-likelihood of the labels."""
    top = logits.max(axis=1, keepdims=True)
    total = np.log(np.exp(logits - top).sum(axis=1)) + top[:, 0]
    return float((total - logits[np.arange(len(labels)), labels]).mean())


def best_threshold(scores: Matrix, targets: Matrix) -> float:
    """The threshold on scores that names these targets with the highest micro-averaged F1."""
    order = np.argsort(-scores, axis=None)
    right = np.cumsum(targets.ravel()[order])
    found = np.arange(1, order.size + 1)
    return float(scores.ravel()[order[int((2 * right / (found + targets.sum())).argmax())]])
