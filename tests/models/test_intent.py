from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import yaml

from helios.detection.features import BUCKETS
from helios.models.embedder import Embedder, Vectors
from helios.models.intent import EXAMPLES, OTHER, IntentClassifier, IntentError, Model
from helios.models.intent_features import DIMENSION
from helios.models.kernel_ridge import fit, landmark_map
from helios.settings import Settings, settings

TEXT = "the price please"
SHIPPED = yaml.safe_load(EXAMPLES.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder.load(settings())


@pytest.fixture(scope="module")
def classifier(embedder: Embedder) -> IntentClassifier:
    return IntentClassifier.load(settings(), embedder)


@pytest.mark.parametrize(
    ("intent", "text"),
    [
        ("card_lost_or_stolen", "a thief took my bank card"),
        ("transfer_abroad", "I would like to wire money to my brother in Italy"),
        ("unauthorised_charge", "there is a payment on my account which I never made"),
        ("human_request", "let me speak with a real person"),
        ("greeting", "hello there"),
        (OTHER, "what is the best recipe for pancakes"),
    ],
)
def test_the_shipped_model_names_what_a_customer_wants(
    embedder: Embedder, classifier: IntentClassifier, intent: str, text: str
) -> None:
    assert classifier.classify(embedder.embed([text])[0], text).name == intent


@pytest.fixture(scope="module")
def judged(embedder: Embedder) -> list[tuple[str, str, str, float]]:
    """Every fifth utterance, kept from training: its intent, what it was named, the likeliest, and how likely."""
    kept = {name: [text for n, text in enumerate(texts) if n % 5] for name, texts in SHIPPED.items()}
    classifier = IntentClassifier.train(embedder, kept)
    unseen = [(name, text) for name, texts in SHIPPED.items() for n, text in enumerate(texts) if n % 5 == 0]
    found = []
    for (name, text), vector in zip(unseen, embedder.embed([text for _, text in unseen]), strict=True):
        row = classifier.probabilities(vector, text)
        named = classifier.classify(vector, text).name
        found.append((name, named, sorted(SHIPPED)[int(row.argmax())], float(row.max())))
    return found


def test_unseen_utterances_are_mostly_named_right(judged: list[tuple[str, str, str, float]]) -> None:
    """Guessing would reach 3 %."""
    right = [named == (OTHER if name == "out_of_scope" else name) for name, named, _, _ in judged]
    assert np.mean(right) >= 0.65


def test_an_unlikely_best_intent_is_other(classifier: IntentClassifier) -> None:
    nothing = np.zeros(384, dtype=np.float32)
    assert classifier.probabilities(nothing, "").sum() == pytest.approx(1, abs=1e-5)
    no_weights = Model(
        np.zeros((1, 384), np.float32),
        np.zeros((1, 5), np.float32),
        np.zeros((DIMENSION, 5), np.float32),
        np.ones(BUCKETS, np.float32),
        np.array(1, np.float32),
        np.array(0, np.float32),
        np.zeros(384, np.float32),
        np.eye(384, dtype=np.float32),
    )
    flat = IntentClassifier(["a", "b", "c", "d", "e"], no_weights).classify(nothing, "text")
    assert flat.name == OTHER
    assert flat.confidence == pytest.approx(0.2)


def test_probabilities_are_about_as_high_as_they_are_right(judged: list[tuple[str, str, str, float]]) -> None:
    right = [likeliest == name for name, _, likeliest, _ in judged]
    assert abs(np.mean(right) - np.mean([probability for *_, probability in judged])) <= 0.12


def test_a_message_with_two_intents_has_both(embedder: Embedder) -> None:
    said = {"cards": "my card was stolen", "fees": "what does a transfer cost", "login": "I forgot my password"}
    ways = ["", "please help", "hello", "since today", "can you look", "thanks"]
    rows: list[tuple[str, tuple[str, ...]]]
    rows = [(f"{text} {way}", (name,)) for name, text in said.items() for way in ways]
    pairs = [(left, right) for left in said for right in said if left != right]
    rows += [(f"{said[left]} and {said[right]} {way}", (left, right)) for left, right in pairs for way in ways[:3]]
    classifier = IntentClassifier.train_rows(embedder, rows, sorted(said))
    both, one = "my card was stolen and I forgot my password today", "my card was stolen today"
    assert set(classifier.several(embedder.embed([both])[0], both)) == {"cards", "login"}
    assert classifier.several(embedder.embed([one])[0], one) == ("cards",)


def test_the_second_load_reads_the_cache_and_a_damaged_one_is_trained_anew(tmp_path: Path, embedder: Embedder) -> None:
    examples = tmp_path / "intents.yaml"
    examples.write_text("fees: [what does it cost, how much is it]\ncards: [block my card, my card is gone]\n")
    custom = Settings(model_dir=tmp_path / "models")
    counting = _CountingEncoder(embedder)
    first = IntentClassifier.load(custom, counting, examples)
    second = IntentClassifier.load(custom, counting, examples)
    assert counting.calls == 1
    vector = embedder.embed([TEXT])[0]
    assert first.classify(vector, TEXT) == second.classify(vector, TEXT)
    assert first.names == ("cards", "fees")

    (cache,) = (tmp_path / "models").glob("intents-*.npz")
    cache.write_bytes(b"damaged")
    assert IntentClassifier.load(custom, counting, examples).classify(vector, TEXT) == first.classify(vector, TEXT)
    assert counting.calls == 2


def test_changed_examples_are_trained_anew(tmp_path: Path, embedder: Embedder) -> None:
    examples = tmp_path / "intents.yaml"
    custom = Settings(model_dir=tmp_path / "models")
    examples.write_text("fees: [what does it cost]\ncards: [block my card]\n")
    IntentClassifier.load(custom, embedder, examples)
    examples.write_text("fees: [what does it cost]\ncards: [block my card]\nloans: [I need a loan]\n")
    assert IntentClassifier.load(custom, embedder, examples).names == ("cards", "fees", "loans")


@pytest.mark.parametrize("text", ["- a list", "fees: one text", "fees: ['', x]", "fees: [1]"])
def test_a_file_that_is_no_mapping_of_utterances_is_refused(tmp_path: Path, embedder: Embedder, text: str) -> None:
    examples = tmp_path / "intents.yaml"
    examples.write_text(text)
    with pytest.raises(IntentError, match=r"intents\.yaml"):
        IntentClassifier.load(Settings(model_dir=tmp_path), embedder, examples)


@pytest.mark.parametrize("examples", [{}, {"one": ["x"]}, {"one": ["x"], "two": []}])
def test_too_few_examples_are_refused(embedder: Embedder, examples: dict[str, list[str]]) -> None:
    with pytest.raises(IntentError):
        IntentClassifier.train(embedder, examples)


@pytest.mark.parametrize("size", [5, 60])
def test_leaving_one_out_by_leverage_is_training_without_it(size: int) -> None:
    """With fewer features than examples, and with more."""
    rng = np.random.default_rng(7)
    features = rng.normal(size=(40, size)).astype(np.float32)
    targets = np.eye(3)[np.arange(40) % 3]
    _, unseen = fit(features, targets, 0.5)
    without, _ = fit(features[1:], targets[1:], 0.5)
    assert unseen[0] == pytest.approx(features[0] @ without, abs=1e-4)


def test_products_of_mapped_rows_are_the_kernel() -> None:
    points = np.random.default_rng(3).normal(size=(12, 4))
    kernel = np.exp(-((points[:, None] - points[None]) ** 2).sum(axis=2))
    mapped = kernel @ landmark_map(kernel)
    assert mapped @ mapped.T == pytest.approx(kernel, abs=1e-3)


class _CountingEncoder:
    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.name = embedder.name
        self.dimension = embedder.dimension
        self.calls = 0

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.calls += 1
        return self._embedder.embed(texts)
