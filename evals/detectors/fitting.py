"""Logistic regressions over sentence vectors and hashed n-grams; deterministic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.sparse import csr_matrix, hstack

from helios.detection.features import BUCKETS, grams, scale

Floats = npt.NDArray[np.float32]

PENALTY: Final = 3e-6
STEPS: Final = 80


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """`vectors` (texts, 384), `grams` (texts, BUCKETS) sparse."""

    vectors: Floats
    grams: Any

    def rows(self, chosen: npt.NDArray[Any]) -> Inputs:
        return Inputs(self.vectors[chosen], self.grams[chosen])


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """(384 + BUCKETS, heads) and (heads,)."""

    weights: Floats
    bias: Floats

    def logits(self, inputs: Inputs) -> Floats:
        split = inputs.vectors.shape[1]
        result: Floats = inputs.vectors @ self.weights[:split] + inputs.grams @ self.weights[split:] + self.bias
        return result


def gram_matrix(texts: Sequence[str]) -> Any:
    """(texts, BUCKETS) sparse: what each n-gram of a text counts."""
    pointers, columns, values = [0], [], []
    for text in texts:
        found = grams(text)
        for numbers in (found.characters, found.words):
            columns.append(numbers)
            values.append(np.full(len(numbers), scale(len(numbers)), np.float32))
        pointers.append(pointers[-1] + len(found.characters) + len(found.words))
    return csr_matrix((np.concatenate(values), np.concatenate(columns), pointers), shape=(len(texts), BUCKETS))


def fit(inputs: Inputs, labels: Floats, certain: Floats, penalty: float = PENALTY, steps: int = STEPS) -> Fitted:
    """`labels` (texts, heads) of 0 and 1; `certain` likewise: how much a text counts, 0 for
    one that teaches a head nothing.

    Rare positive examples count more, up to ten times.
    """
    joined = hstack([csr_matrix(inputs.vectors), inputs.grams]).tocsr().astype(np.float64)
    heads = [_fit_one(joined, labels[:, h], certain[:, h], penalty, steps) for h in range(labels.shape[1])]
    parameters = np.stack(heads, axis=1).astype(np.float32)
    return Fitted(parameters[:-1], parameters[-1])


def _fit_one(joined: Any, labels: Floats, certain: Floats, penalty: float, steps: int) -> npt.NDArray[Any]:
    rows = np.flatnonzero(certain)
    inputs, turned = joined[rows], joined[rows].T.tocsr()
    signs = np.where(labels[rows] > 0, 1.0, -1.0)
    positive, negative = certain[rows][signs > 0].sum(), certain[rows][signs < 0].sum()
    weight = certain[rows] * np.where(signs > 0, np.clip(negative / max(positive, 1), 1, 100) ** 0.5, 1)
    weight = weight / weight.sum()

    def loss(parameters: npt.NDArray[Any]) -> tuple[float, npt.NDArray[Any]]:
        margins = signs * (inputs @ parameters[:-1] + parameters[-1])
        value = weight @ np.logaddexp(0, -margins) + penalty * (parameters[:-1] @ parameters[:-1]) / 2
        slope = -weight * signs / (1 + np.exp(np.clip(margins, -500, 500)))
        return float(value), np.append(turned @ slope + penalty * parameters[:-1], slope.sum())

    start = np.zeros(joined.shape[1] + 1)
    found: npt.NDArray[Any] = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": steps}).x
    return found


def folds(groups: Sequence[str], count: int, seed: int) -> npt.NDArray[np.int64]:
    """A fold for each text; texts of one group share theirs."""
    names = sorted(set(groups))
    order = np.random.default_rng(seed).permutation(len(names))
    place = {name: int(order[index]) % count for index, name in enumerate(names)}
    return np.array([place[group] for group in groups])
