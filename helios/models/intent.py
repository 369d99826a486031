"""What a customer wants: softmax regression on the encoder's vectors, trained in a second and then a matrix product.

Trained with Nesterov's accelerated gradient with restarts (O'Donoghue & Candès, 2015) on centred vectors, so that no
process needs scikit-learn. Measured in docs/decisions/local-models.md.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import yaml

from helios.models.cache import content_key, write_atomically
from helios.settings import PROJECT

if TYPE_CHECKING:
    from helios.models.embedder import TextEncoder, Vectors
    from helios.settings import Settings

Floats = npt.NDArray[np.float32]

OTHER: Final = "other"
"""The intent of what no intent fits, and of what a bank's assistant should not try to answer."""
OUT_OF_SCOPE: Final = "out_of_scope"
"""The name in the file of examples whose utterances train `other`."""
EXAMPLES: Final = PROJECT / "helios" / "demo_bank" / "intents.yaml"

TRAINING_VERSION = 1
PENALTY = 0.1
"""Inverse of the L2 penalty's strength (scikit-learn's C), on vectors scaled to unit variance."""
STEPS = 100
MIN_CONFIDENCE = 0.25
"""Below it the answer is `other`: chosen by cross-validation, see docs/decisions/local-models.md."""


@dataclass(frozen=True, slots=True)
class Intent:
    """An intent and its probability, 0..1."""

    name: str
    confidence: float


class IntentError(Exception):
    """The examples can't train a classifier."""


class IntentClassifier:
    """Names the intent of an encoded message. Safe to share between threads."""

    def __init__(self, names: Sequence[str], weights: Floats, bias: Floats) -> None:
        self.names: tuple[str, ...] = tuple(names)
        self._weights = weights
        self._bias = bias

    @classmethod
    def load(cls, settings: Settings, encoder: TextEncoder, examples: Path = EXAMPLES) -> IntentClassifier:
        """The classifier of a file of examples, `{intent: [utterance, …]}`; trained once a machine (about 2 s).

        Raises `IntentError` where the file is not such a mapping.
        """
        text = examples.read_text(encoding="utf-8")
        key = content_key(encoder.name, str(TRAINING_VERSION), text)
        path = settings.model_dir / f"intents-{key[:16]}.npz"
        cached = _read(path, encoder.dimension)
        if cached is not None:
            return cached
        classifier = cls.train(encoder, _parse(text, examples))
        write_atomically(path, classifier.to_bytes())
        return classifier

    @classmethod
    def train(cls, encoder: TextEncoder, examples: Mapping[str, Sequence[str]]) -> IntentClassifier:
        """A classifier of these examples. Raises `IntentError` for fewer than two intents or one without examples."""
        names = sorted(examples)
        if len(names) < 2 or not all(examples[name] for name in names):
            raise IntentError("an intent classifier needs two intents or more, each with examples")
        vectors = encoder.embed([text for name in names for text in examples[name]])
        labels = np.repeat(np.arange(len(names)), [len(examples[name]) for name in names])
        weights, bias = fit_softmax(vectors, labels, len(names))
        return cls([OTHER if name == OUT_OF_SCOPE else name for name in names], weights, bias)

    def classify(self, vector: Vectors) -> Intent:
        """The intent of a (384,) vector; `other` with the best intent's probability where none is likely enough."""
        probabilities = self.probabilities(vector)
        best = int(probabilities.argmax())
        confidence = float(probabilities[best])
        return Intent(self.names[best] if confidence >= MIN_CONFIDENCE else OTHER, confidence)

    def probabilities(self, vector: Vectors) -> Floats:
        """(len(names),) float32: the probability of each intent in the order of `names`."""
        row: Floats = _softmax(vector[None, :] @ self._weights + self._bias)[0]
        return row

    def to_bytes(self) -> bytes:
        """The classifier as an npz archive."""
        buffer = io.BytesIO()
        np.savez(buffer, names=np.array(self.names), weights=self._weights, bias=self._bias)
        return buffer.getvalue()


def fit_softmax(vectors: Floats, labels: npt.NDArray[Any], classes: int) -> tuple[Floats, Floats]:
    """Weights (dimension, classes) and bias (classes,) of a softmax regression with an L2 penalty on the weights."""
    count = len(labels)
    mean = vectors.mean(axis=0)
    spread = np.float32((vectors - mean).std()) or np.float32(1)
    # The constant column carries the bias, which is not penalised.
    inputs = np.column_stack([(vectors - mean) / spread, np.ones(count, np.float32)]).astype(np.float32)
    targets = np.eye(classes, dtype=np.float32)[labels]
    penalty = np.full((inputs.shape[1], 1), 1 / (PENALTY * count), np.float32)
    penalty[-1] = 0
    step = 1 / (0.5 * float(np.linalg.eigvalsh(inputs.T @ inputs / count)[-1]) + float(penalty[0, 0]))
    weights = ahead = np.zeros((inputs.shape[1], classes), np.float32)
    momentum = 1.0
    for _ in range(STEPS):
        gradient = inputs.T @ (_softmax(inputs @ ahead) - targets) / count + penalty * ahead
        moved = ahead - np.float32(step) * gradient
        if float(((ahead - moved) * (moved - weights)).sum()) > 0:
            momentum = 1.0  # it overshot
        following = (1 + (1 + 4 * momentum * momentum) ** 0.5) / 2
        ahead = moved + np.float32((momentum - 1) / following) * (moved - weights)
        weights, momentum = moved, following
    scaled = (weights[:-1] / spread).astype(np.float32)
    return scaled, (weights[-1] - mean @ scaled).astype(np.float32)


def _softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: Floats = powers / powers.sum(axis=1, keepdims=True)
    return result


def _parse(text: str, path: Path) -> dict[str, list[str]]:
    loaded = yaml.safe_load(text)
    if not isinstance(loaded, dict):
        raise IntentError(f"{path}: not a mapping of intents to utterances")
    for name, utterances in loaded.items():
        if not isinstance(utterances, list) or not all(isinstance(one, str) and one.strip() for one in utterances):
            raise IntentError(f"{path}: {name} is not a list of texts")
    return {str(name): utterances for name, utterances in loaded.items()}


def _read(path: Path, dimension: int) -> IntentClassifier | None:
    try:
        with np.load(path, allow_pickle=False) as archive:
            names, weights, bias = (archive[part] for part in ("names", "weights", "bias"))
    except (OSError, ValueError, KeyError, EOFError):
        return None  # absent or damaged: trained anew and written over
    if weights.shape != (dimension, len(names)) or bias.shape != (len(names),):
        return None
    return IntentClassifier([str(name) for name in names], weights, bias)
