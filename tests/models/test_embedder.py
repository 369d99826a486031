import subprocess
import sys

import numpy as np
import onnxruntime
import pytest

from helios.models.embedder import MAX_TOKENS, Embedder
from helios.models.graph import build_encoder, read_safetensors
from helios.models.weights import find_encoder_files
from helios.settings import PROJECT, settings

SENTENCES = [
    "How much does an international transfer cost and how long does it take?",
    "My card was stolen.",
    "You can dispute a card payment within 120 days of the transaction.",
    "Overdraft fees are charged monthly in arrears.",
]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder.load(settings())


def test_vectors_are_unit_rows_in_the_order_of_the_texts(embedder: Embedder) -> None:
    vectors = embedder.embed(SENTENCES)
    assert vectors.shape == (len(SENTENCES), embedder.dimension) == (4, 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert embedder.embed([]).shape == (0, 384)


def test_a_text_has_the_same_vector_bit_for_bit_whatever_stands_beside_it(embedder: Embedder) -> None:
    together = embedder.embed(SENTENCES)
    for row, text in enumerate(SENTENCES):
        assert np.array_equal(embedder.embed([text])[0], together[row])


def test_one_pass_serves_whoever_asks_for_the_tokens_and_whoever_asks_for_the_vector(
    embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "Wo ist meine Karte, fragt Oda Bjørnstad?"
    alone = embedder.embed([text])[0]
    encoding = embedder.encode(text)
    monkeypatch.setattr(embedder, "_run", None)
    assert np.array_equal(embedder.embed([text])[0], encoding.vector)
    assert np.array_equal(encoding.vector, alone)


def test_similarities_are_those_that_the_publisher_states(embedder: Embedder) -> None:
    # https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2 and the sentence-transformers quickstart
    vectors = embedder.embed(["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."])
    similarities = vectors @ vectors.T
    assert similarities[0, 1] == pytest.approx(0.6660, abs=0.03)
    assert similarities[0, 2] == pytest.approx(0.1046, abs=0.03)
    assert similarities[1, 2] == pytest.approx(0.1411, abs=0.03)


def test_int8_stays_close_to_float32(embedder: Embedder) -> None:
    graph = build_encoder(read_safetensors(find_encoder_files().weights), int8=False)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    for text, vector in zip(SENTENCES, embedder.embed(SENTENCES), strict=True):
        ids = np.array([embedder._tokenizer.encode(text).ids], dtype=np.int64)
        exact = session.run(["sentence_vector"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0][0]
        assert float(exact @ vector) >= 0.97


def test_padding_does_not_leak_into_a_vector() -> None:
    graph = build_encoder(read_safetensors(find_encoder_files().weights), int8=False)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    ids = np.array([[101, 2026, 4003, 102, 0, 0]], dtype=np.int64)
    padded = session.run(None, {"input_ids": ids, "attention_mask": (ids > 0).astype(np.int64)})
    short = session.run(None, {"input_ids": ids[:, :4], "attention_mask": np.ones((1, 4), np.int64)})
    assert np.allclose(padded[1], short[1], atol=1e-5)
    assert np.allclose(padded[0][:, :4], short[0], atol=1e-4)


def test_one_pass_gives_the_vector_and_the_tokens_places(embedder: Embedder) -> None:
    text = "My name is Ada Lovelace"
    encoding = embedder.encode(text)
    assert np.array_equal(encoding.vector, embedder.embed([text])[0])
    assert [text[start:end] for start, end in encoding.token_spans] == ["My", "name", "is", "Ada", "Love", "lace"]
    assert encoding.token_vectors.shape == (6, 384)
    assert embedder.count_tokens(text) == 6


def test_long_and_empty_texts_are_encoded(embedder: Embedder) -> None:
    vectors = embedder.embed(["transfer " * 5000, ""])
    assert np.isfinite(vectors).all()
    assert embedder.count_tokens("transfer " * 5000) == MAX_TOKENS - 2


def test_a_process_that_encodes_imports_no_training_library() -> None:
    embedder_in_a_fresh_process = (
        "import sys; from helios.models.embedder import Embedder; from helios.settings import settings;"
        "Embedder.load(settings()).embed(['hello']);"
        "print(sorted({'onnx', 'torch', 'llama_index', 'sklearn', 'scipy'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", embedder_in_a_fresh_process]
    result = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
