"""What a customer wants: kernel ridge regression on the encoder's vectors and on hashed n-grams, in numpy alone.

Trained in a second from a tenant's few hundred examples; then a message costs a product with the examples' vectors. Its
probabilities are calibrated on scores that leave each example out. Measured in docs/quality.md.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import yaml

from helios.detection.features import BUCKETS
from helios.models.cache import content_key, write_atomically
from helios.models.intent_features import DIMENSION, gram_rows, rarity_of
from helios.models.kernel_ridge import best_threshold, fit, landmark_map, temperature
from helios.models.whitening import Whitening, learn
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

TRAINING_VERSION = 3
SHARPNESS: Final = 2.0
"""How soon two vectors stop to be alike: the kernel is exp(SHARPNESS (cosine - 1))."""
GRAMS_WEIGHT: Final = np.float32(0.5)
"""What n-grams count beside the vector: the square of it in the kernel."""
PENALTY: Final = 0.2
LANDMARKS_MAX: Final = 3000
"""Beyond it every n-th example stands for its neighbours: training takes memory and time by its square and cube."""
MIN_CONFIDENCE = 0.25
"""Below it the answer is `other`: chosen by cross-validation."""


@dataclass(frozen=True, slots=True)
class Intent:
    """An intent and its probability, 0..1."""

    name: str
    confidence: float


class IntentError(Exception):
    """The examples can't train a classifier."""


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """What training leaves: m landmarks, c classes."""

    landmarks: Floats
    """(m, dimension): whitened vectors of unit length."""
    by_vector: Floats
    """(m, c): what nearness to each landmark says."""
    by_grams: Floats
    """(DIMENSION, c)"""
    rarity: Floats
    """(BUCKETS,)"""
    temperature: Floats
    """(): what scores are multiplied with before the softmax."""
    threshold: Floats
    """(): from which score on an intent is among several."""
    centre: Floats
    """(dimension,)"""
    directions: Floats
    """(dimension, dimension): how a vector is whitened."""

    def fits(self, classes: int, dimension: int) -> bool:
        """Whether the arrays are of one training, for vectors of this dimension."""
        return (
            self.landmarks.shape[1:] == (dimension,)
            and self.by_vector.shape == (len(self.landmarks), classes)
            and self.by_grams.shape == (DIMENSION, classes)
            and self.rarity.shape == (BUCKETS,)
            and self.directions.shape == (dimension, dimension)
        )


class IntentClassifier:
    """Names the intent of an encoded message. Safe to share between threads."""

    def __init__(self, names: Sequence[str], model: Model) -> None:
        self.names: tuple[str, ...] = tuple(names)
        self._model = model

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
        return cls.train_rows(encoder, [(text, (name,)) for name in sorted(examples) for text in examples[name]],
                              sorted(examples))  # fmt: skip

    @classmethod
    def train_rows(
        cls, encoder: TextEncoder, rows: Sequence[tuple[str, Sequence[str]]], names: Sequence[str]
    ) -> IntentClassifier:
        """A classifier of texts that each have one of the `names` or several. Raises `IntentError` as `train` does."""
        return cls.train_encoded(encoder.embed([text for text, _ in rows]), rows, names)

    @classmethod
    def train_encoded(
        cls, vectors: Vectors, rows: Sequence[tuple[str, Sequence[str]]], names: Sequence[str]
    ) -> IntentClassifier:
        """As `train_rows`, of texts whose (n, dimension) vectors are known."""
        targets = np.array([[name in held for name in names] for _, held in rows], dtype=np.float64)
        if len(names) < 2 or not targets.any(axis=0).all():
            raise IntentError("an intent classifier needs two intents or more, each with examples")
        model = _train(vectors, [text for text, _ in rows], targets)
        return cls([OTHER if name == OUT_OF_SCOPE else name for name in names], model)

    def classify(self, vector: Vectors, text: str) -> Intent:
        """The intent of a text with its (384,) vector; `other` with the best intent's probability where none is
        likely enough."""
        probabilities = self.probabilities(vector, text)
        best = int(probabilities.argmax())
        confidence = float(probabilities[best])
        return Intent(self.names[best] if confidence >= MIN_CONFIDENCE else OTHER, confidence)

    def probabilities(self, vector: Vectors, text: str) -> Floats:
        """(len(names),) float32: the probability of each intent in the order of `names`."""
        logits = self._scores(vector, text) * self._model.temperature
        powers = np.exp(logits - logits.max())
        result: Floats = powers / powers.sum()
        return result

    def foreign(self, vector: Vectors, text: str) -> float:
        """How likely the text belongs to no intent, 0..1; 0 where no examples of such texts were learnt."""
        if OTHER not in self.names:
            return 0.0
        return float(self.probabilities(vector, text)[self.names.index(OTHER)])

    def several(self, vector: Vectors, text: str) -> tuple[str, ...]:
        """Every intent of a text that may have more than one, likeliest first; none where none is likely enough."""
        scores = self._scores(vector, text)
        return tuple(self.names[i] for i in np.argsort(-scores) if scores[i] >= self._model.threshold)

    def outside(self, vector: Vectors, text: str) -> float:
        """A score, 0..1, that is higher the more the text seems to belong to no intent."""
        probabilities = self.probabilities(vector, text)
        inside = [place for place, name in enumerate(self.names) if name != OTHER]
        return 1 - float(probabilities[inside].sum()) * float(probabilities[inside].max())

    def to_bytes(self, *, half: bool = False) -> bytes:
        """The classifier as an npz archive; `half`: in 16 bits a number."""
        buffer = io.BytesIO()
        parts = {name: getattr(self._model, name) for name in Model.__slots__}
        kept = {name: part.astype(np.float16) if half and part.ndim else part for name, part in parts.items()}
        np.savez(buffer, names=np.array(self.names), **kept)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, archive: bytes, dimension: int) -> IntentClassifier | None:
        """What `to_bytes` wrote; None where it is damaged, or for vectors of another dimension."""
        try:
            with np.load(io.BytesIO(archive), allow_pickle=False) as read:
                names = [str(name) for name in read["names"]]
                parts: dict[str, Any] = {name: read[name].astype(np.float32) for name in Model.__slots__}
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return None
        model = Model(**parts)
        return cls(names, model) if model.fits(len(names), dimension) else None

    def _scores(self, vector: Vectors, text: str) -> Floats:
        model = self._model
        seen = Whitening(model.centre, model.directions).apply(vector)
        alike = np.exp(SHARPNESS * (model.landmarks @ seen - 1))
        scores: Floats = alike @ model.by_vector + gram_rows([text], model.rarity)[0] @ model.by_grams
        return scores


def _train(vectors: Vectors, texts: Sequence[str], targets: npt.NDArray[np.float64]) -> Model:
    rarity = rarity_of(texts)
    grams = GRAMS_WEIGHT * gram_rows(texts, rarity)
    chosen = np.unique(np.linspace(0, len(texts) - 1, min(len(texts), LANDMARKS_MAX)).round().astype(int))
    whitening = learn(vectors, targets)
    seen = whitening.apply(vectors)
    near = np.exp(SHARPNESS * (seen @ seen[chosen].T - 1))
    mapping = landmark_map(near[chosen])
    coefficients, unseen = fit(np.hstack([near @ mapping, grams]), targets, PENALTY)
    return Model(
        seen[chosen],
        mapping @ coefficients[: len(chosen)],
        GRAMS_WEIGHT * coefficients[len(chosen) :],
        rarity,
        np.array(temperature(unseen, targets.argmax(axis=1)), np.float32),
        np.array(best_threshold(unseen, targets), np.float32),
        whitening.centre,
        whitening.directions,
    )


@cache
def shipped_examples() -> dict[str, list[str]]:
    """The examples of the shipped model: utterances by intent, those of `out_of_scope` among them."""
    return _parse(EXAMPLES.read_text(encoding="utf-8"), EXAMPLES)


def _parse(text: str, path: Path) -> dict[str, list[str]]:
    loaded = yaml.safe_load(text)
    if not isinstance(loaded, dict):
        raise IntentError(f"{path}: not a mapping of intents to utterances")
    for name, utterances in loaded.items():
        if not isinstance(utterances, list) or not all(isinstance(one, str) and one.strip() for one in utterances):
            raise IntentError(f"{path}: {name} is not a list of texts")
    return {str(name): utterances for name, utterances in loaded.items()}


def _read(path: Path, dimension: int) -> IntentClassifier | None:
    """None where it is absent or damaged: it is trained anew and written over."""
    try:
        return IntentClassifier.from_bytes(path.read_bytes(), dimension)
    except OSError:
        return None
