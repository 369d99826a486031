"""The embedder out of a folder: a real graph and a real tokenizer, made by the test, and what is wrong with others."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helios.embedders.config import EmbedderConfig, EmbedderConfigError
from helios.embedders.onnx import OnnxEmbedder
from tests.embedders.onnx_folder import DIMENSION, WORDS, make_folder, table


def opened(folder: Path, **changed: Any) -> OnnxEmbedder:
    return OnnxEmbedder(EmbedderConfig.model_validate({"name": "many", "folder": folder, **changed}))


def mean(*words: str) -> np.ndarray:
    rows = table()[[WORDS.index(word) for word in ("[CLS]", *words)]].mean(axis=0)
    return np.asarray(rows / np.linalg.norm(rows))


async def test_a_text_is_the_mean_of_its_tokens(tmp_path: Path) -> None:
    embedder = opened(make_folder(tmp_path))
    vectors = await embedder.embed_queries(["card fee", "karte gebühr"])
    assert vectors.shape == (2, DIMENSION) == (2, embedder.dimension)
    assert np.allclose(vectors[0], mean("card", "fee"), atol=1e-5)
    assert np.allclose(vectors[0], vectors[1], atol=1e-6)  # across languages
    assert (await embedder.embed_chunks([])).shape == (0, DIMENSION)


async def test_the_folder_says_how_to_pool_and_what_stands_before_a_text(tmp_path: Path) -> None:
    prompts = {"query": "query: ", "passage": "passage: "}
    embedder = opened(make_folder(tmp_path / "a", prompts=prompts))
    assert np.allclose((await embedder.embed_queries(["card"]))[0], mean("query", ":", "card"), atol=1e-5)
    assert np.allclose((await embedder.embed_chunks(["card"]))[0], mean("passage", ":", "card"), atol=1e-5)
    told = opened(tmp_path / "a", query_prefix="", chunk_prefix="")
    assert np.allclose((await told.embed_queries(["card"]))[0], mean("card"), atol=1e-5)
    first = opened(make_folder(tmp_path / "b", pooling="cls"))
    one, other = await first.embed_queries(["card", "fee"])
    assert np.array_equal(one, other)  # of the first token, which is the same
    assert not np.array_equal(*await opened(tmp_path / "b", pooling="mean").embed_queries(["card", "fee"]))


async def test_a_batch_gives_what_each_text_gives_alone(tmp_path: Path) -> None:
    embedder = opened(make_folder(tmp_path, graph="onnx/model_quantized.onnx"))
    texts = ["card", "card fee abroad", ""]
    alone = [(await embedder.embed_chunks([text]))[0] for text in texts]
    assert np.array_equal(np.array(alone), await embedder.embed_chunks(texts))


def test_its_space_changes_with_the_model(tmp_path: Path) -> None:
    before = opened(make_folder(tmp_path / "a")).space
    assert opened(make_folder(tmp_path / "a")).space == before
    assert opened(tmp_path / "a", query_prefix="query: ").space != before
    assert opened(tmp_path / "a", pooling="cls").space != before
    graph = tmp_path / "a" / "model.onnx"
    # One more field of the same model, its documentation: any byte counts.
    graph.write_bytes(graph.read_bytes() + b"\x32\x01x")
    assert opened(tmp_path / "a").space != before


@pytest.mark.parametrize(("what", "told"), [
    ("no graph", "holds none of model.onnx"), ("no tokenizer", "holds no tokenizer.json"),
    ("no model", "cannot be used"), ("no json", "cannot be used"), ("bad prompts", "not readable as JSON"),
    ("unknown input", "asks for pixel_values"), ("odd dimension", "vectors of 100 numbers"),
])  # fmt: skip
def test_a_folder_that_will_not_do_says_why(tmp_path: Path, what: str, told: str) -> None:
    folder = make_folder(tmp_path / "a", extra_input=what == "unknown input",
                         dimension=100 if what == "odd dimension" else DIMENSION)  # fmt: skip
    if what == "no graph":
        (folder / "model.onnx").unlink()
    if what == "no tokenizer":
        (folder / "tokenizer.json").unlink()
    if what == "no model":
        (folder / "model.onnx").write_bytes(b"not a model")
    if what == "no json":
        (folder / "tokenizer.json").write_bytes(b"{")
    if what == "bad prompts":
        (folder / "config_sentence_transformers.json").write_text("{")
    with pytest.raises(EmbedderConfigError, match=told):
        opened(folder)


def test_a_dimension_that_was_said_must_be_so(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "a")
    assert opened(folder, dimension=256).dimension == 256
    with pytest.raises(EmbedderConfigError, match="have 256 numbers, not 384"):
        opened(folder, dimension=384)
    shutil.rmtree(folder)
    with pytest.raises(EmbedderConfigError, match="holds none of"):
        opened(folder)
