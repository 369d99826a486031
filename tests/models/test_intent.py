from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import yaml

from helios.models.embedder import Embedder, Vectors
from helios.models.intent import EXAMPLES, OTHER, IntentClassifier, IntentError, fit_softmax
from helios.settings import Settings, settings

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
    assert classifier.classify(embedder.embed([text])[0]).name == intent


def test_unseen_utterances_are_mostly_named_right(embedder: Embedder) -> None:
    """Every fifth utterance is kept from training. Guessing would reach 3 %."""
    kept = {name: [text for n, text in enumerate(texts) if n % 5] for name, texts in SHIPPED.items()}
    classifier = IntentClassifier.train(embedder, kept)
    unseen = [(name, text) for name, texts in SHIPPED.items() for n, text in enumerate(texts) if n % 5 == 0]
    vectors = embedder.embed([text for _, text in unseen])
    right = sum(
        classifier.classify(vector).name == (OTHER if name == "out_of_scope" else name)
        for (name, _), vector in zip(unseen, vectors, strict=True)
    )
    assert right / len(unseen) >= 0.65


def test_an_unlikely_best_intent_is_other(classifier: IntentClassifier) -> None:
    nothing = np.zeros(384, dtype=np.float32)
    probabilities = classifier.probabilities(nothing)
    assert probabilities.sum() == pytest.approx(1, abs=1e-5)
    flat = IntentClassifier(["a", "b", "c", "d", "e"], np.zeros((384, 5), np.float32), np.zeros(5, np.float32))
    assert flat.classify(nothing).name == OTHER
    assert flat.classify(nothing).confidence == pytest.approx(0.2)


def test_the_second_load_reads_the_cache_and_a_damaged_one_is_trained_anew(tmp_path: Path, embedder: Embedder) -> None:
    examples = tmp_path / "intents.yaml"
    examples.write_text("fees: [what does it cost, how much is it]\ncards: [block my card, my card is gone]\n")
    custom = Settings(model_dir=tmp_path / "models")
    counting = _CountingEncoder(embedder)
    first = IntentClassifier.load(custom, counting, examples)
    second = IntentClassifier.load(custom, counting, examples)
    assert counting.calls == 1
    vector = embedder.embed(["the price please"])[0]
    assert first.classify(vector) == second.classify(vector)
    assert first.names == ("cards", "fees")

    (cache,) = (tmp_path / "models").glob("intents-*.npz")
    cache.write_bytes(b"damaged")
    assert IntentClassifier.load(custom, counting, examples).classify(vector) == first.classify(vector)
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


def test_softmax_regression_reaches_the_minimum_of_its_penalised_loss() -> None:
    rng = np.random.default_rng(7)
    labels = np.arange(90) % 3
    vectors = (rng.normal(size=(90, 5)) + 2 * np.eye(5)[labels]).astype(np.float32)
    weights, bias = fit_softmax(vectors, labels, 3)
    assert ((vectors @ weights + bias).argmax(axis=1) == labels).mean() >= 0.9
    # The bias carries no penalty: at the minimum the mean probability of a class is its share.
    logits = vectors @ weights + bias
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares = (powers / powers.sum(axis=1, keepdims=True)).mean(axis=0)
    assert shares == pytest.approx([1 / 3] * 3, abs=1e-3)


class _CountingEncoder:
    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.name = embedder.name
        self.dimension = embedder.dimension
        self.calls = 0

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.calls += 1
        return self._embedder.embed(texts)
