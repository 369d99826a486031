"""A small real model in ONNX, laid out as sentence-transformers lays one out: word vectors, looked up."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

WORDS = ("[UNK]", "[CLS]", "query", "passage", ":", "card", "karte", "fee", "gebühr", "abroad", "ausland")
SAME = {"karte": "card", "gebühr": "fee", "ausland": "abroad"}
DIMENSION = 256


def table() -> np.ndarray:
    """(words, dimension): a direction for each meaning."""
    chance = np.random.default_rng(7)
    rows = {word: chance.standard_normal(DIMENSION) for word in WORDS}
    return np.array([rows[SAME.get(word, word)] for word in WORDS], dtype=np.float32)


def make_folder(folder: Path, *, pooling: str | None = None, prompts: dict[str, str] | None = None,
                extra_input: bool = False, graph: str = "model.onnx", dimension: int = DIMENSION) -> Path:  # fmt: skip
    (folder / graph).parent.mkdir(parents=True, exist_ok=True)
    words = Tokenizer(WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = Whitespace()
    words.post_processor = TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", 1)])
    words.save(str(folder / "tokenizer.json"))
    inputs = [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"])]
    if extra_input:
        inputs.append(helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["batch"]))
    output = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "tokens", dimension])
    made = helper.make_graph(
        [helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])],
        "lookup",
        inputs,
        [output],
        [numpy_helper.from_array(np.ascontiguousarray(table()[:, :dimension]), "table")],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, str(folder / graph))
    if pooling is not None:
        (folder / "1_Pooling").mkdir()
        told = {"pooling_mode_cls_token": pooling == "cls", "pooling_mode_mean_tokens": pooling == "mean"}
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(told))
    if prompts is not None:
        (folder / "config_sentence_transformers.json").write_text(json.dumps({"prompts": prompts}))
    return folder
