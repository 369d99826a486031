"""The MiniLM encoder as an ONNX graph, made from its published float32 tensors.

Six BERT layers (Devlin et al., 2019) of width 384 with 12 heads, mean pooling over the attended tokens, unit length.
With `int8=True` every linear layer runs as 8-bit integers: weights per output channel, symmetric; activations per
tensor, quantised when they arrive. The word table is stored as int8 with a scale for each word.

Weights use 7 of the 8 bits: on x86 without VNNI the 8-bit multiply-add saturates at 16 bits, and with 7 bits it
cannot, so that the same text has the same vector on every machine.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = npt.NDArray[Any]

LAYERS, HEADS, WIDTH = 6, 12, 384
HEAD_WIDTH = WIDTH // HEADS
LAYER_NORM_EPSILON = 1e-12
WEIGHT_LEVELS = 63
"""Largest magnitude of a quantised weight: 7 bits, see above."""
OPSET, IR_VERSION = 20, 10


def read_safetensors(path: Path) -> dict[str, Array]:
    """The float32 tensors of a safetensors file: an 8-byte length, a JSON header, raw little-endian data."""
    raw = path.read_bytes()
    header_size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + header_size])
    tensors: dict[str, Array] = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] != "F32":
            continue
        start, end = (8 + header_size + offset for offset in entry["data_offsets"])
        tensors[name] = np.frombuffer(raw[start:end], dtype="<f4").reshape(entry["shape"])
    return tensors


def build_encoder(tensors: dict[str, Array], *, int8: bool = True) -> onnx.ModelProto:
    """The encoder's graph.

    Inputs `input_ids` and `attention_mask`, int64 (batch, tokens). Outputs `last_hidden_state`, float32
    (batch, tokens, 384), and `sentence_vector`, float32 (batch, 384), rows of unit length.
    """
    graph = _EncoderGraph(tensors, int8)
    hidden = graph.embeddings()
    bias = graph.mask_bias()
    for layer in range(LAYERS):
        hidden = graph.layer(hidden, bias, layer)
    graph.node("Identity", [hidden], output="last_hidden_state")
    graph.pool(hidden)
    return graph.model()


class _EncoderGraph:
    """Collects nodes and initialisers; every method returns the name of its output."""

    def __init__(self, tensors: dict[str, Array], int8: bool) -> None:
        self._tensors = tensors
        self._int8 = int8
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}

    def node(self, kind: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str:
        name = output or f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def constant(self, name: str, value: Array) -> str:
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def integers(self, *values: int) -> str:
        return self.constant("int64_" + "_".join(map(str, values)), np.array(values, dtype=np.int64))

    def scalar(self, value: float) -> str:
        return self.constant(f"float_{value}", np.array(value, dtype=np.float32))

    def embeddings(self) -> str:
        # Every text is one segment: the segment's vector is the same for all and joins the positions'.
        positions = self._tensors["embeddings.position_embeddings.weight"]
        positions = positions + self._tensors["embeddings.token_type_embeddings.weight"][0]
        tokens = self.node("Shape", ["input_ids"], start=1, end=2)
        position = self.node("Slice", [self.constant("positions", positions), self.integers(0), tokens])
        total = self.node("Add", [self._words(), position])
        return self._layer_norm(total, "embeddings.LayerNorm")

    def _words(self) -> str:
        table = self._tensors["embeddings.word_embeddings.weight"]
        if not self._int8:
            return self.node("Gather", [self.constant("words", table), "input_ids"])
        scale = np.abs(table).max(axis=1, keepdims=True) / 127
        codes = self.constant("words", np.rint(table / np.where(scale > 0, scale, 1)).astype(np.int8))
        values = self.node("Cast", [self.node("Gather", [codes, "input_ids"])], to=TensorProto.FLOAT)
        scales = self.node("Gather", [self.constant("word_scales", scale.astype(np.float32)), "input_ids"])
        return self.node("Mul", [values, scales])

    def mask_bias(self) -> str:
        """0 where a token counts, a large negative number where it is padding: (batch, 1, 1, tokens)."""
        mask = self.node("Cast", ["attention_mask"], output="mask", to=TensorProto.FLOAT)
        hidden = self.node("Mul", [self.node("Sub", [mask, self.scalar(1.0)]), self.scalar(10_000.0)])
        return self.node("Unsqueeze", [hidden, self.integers(1, 2)])

    def layer(self, hidden: str, bias: str, index: int) -> str:
        prefix = f"encoder.layer.{index}."
        attended = self._dense(self._attention(hidden, bias, prefix), prefix + "attention.output.dense")
        hidden = self._layer_norm(self.node("Add", [attended, hidden]), prefix + "attention.output.LayerNorm")
        inner = self.node("Gelu", [self._dense(hidden, prefix + "intermediate.dense")])
        outer = self._dense(inner, prefix + "output.dense")
        return self._layer_norm(self.node("Add", [outer, hidden]), prefix + "output.LayerNorm")

    def _attention(self, hidden: str, bias: str, prefix: str) -> str:
        # Query, key and value as one product: the input is quantised once, and three small products become one.
        names = [f"{prefix}attention.self.{part}" for part in ("query", "key", "value")]
        weights = [self._tensors[f"{name}.weight"] for name in names]
        biases = [self._tensors[f"{name}.bias"] for name in names]
        shrink = np.float32(HEAD_WIDTH**-0.5)
        weights[0], biases[0] = weights[0] * shrink, biases[0] * shrink
        joined = self._linear(hidden, f"{prefix}attention.self", np.concatenate(weights), np.concatenate(biases))
        parts = [f"{prefix}{part}" for part in ("q", "k", "v")]
        self._nodes.append(helper.make_node("Split", [joined], parts, name=f"{prefix}split", axis=-1, num_outputs=3))
        by_head = [self.node("Reshape", [part, self.integers(0, 0, HEADS, HEAD_WIDTH)]) for part in parts]
        query = self.node("Transpose", [by_head[0]], perm=[0, 2, 1, 3])
        key = self.node("Transpose", [by_head[1]], perm=[0, 2, 3, 1])
        value = self.node("Transpose", [by_head[2]], perm=[0, 2, 1, 3])
        scores = self.node("Add", [self.node("MatMul", [query, key]), bias])
        mixed = self.node("MatMul", [self.node("Softmax", [scores], axis=-1), value])
        joined_heads = self.node("Transpose", [mixed], perm=[0, 2, 1, 3])
        return self.node("Reshape", [joined_heads, self.integers(0, 0, WIDTH)])

    def _dense(self, x: str, name: str) -> str:
        return self._linear(x, name, self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"])

    def _linear(self, x: str, name: str, weight: Array, bias: Array) -> str:
        """x · weightᵀ + bias, with `weight` (out, in) as PyTorch stores it."""
        offset = self.constant(f"{name}.bias", bias.astype(np.float32))
        if not self._int8:
            return self.node("Add", [self.node("MatMul", [x, self.constant(f"{name}.w", weight.T)]), offset])
        scale = np.abs(weight).max(axis=1) / WEIGHT_LEVELS
        codes = self.constant(f"{name}.w", np.rint(weight / scale[:, None]).astype(np.int8).T)
        zero = self.constant(f"{name}.zero", np.zeros(len(scale), dtype=np.int8))
        quantised, x_scale, x_zero = (f"{name}.{part}" for part in ("x", "x_scale", "x_zero"))
        self._nodes.append(
            helper.make_node("DynamicQuantizeLinear", [x], [quantised, x_scale, x_zero], name=f"{name}.quantise")
        )
        product = self.node("MatMulInteger", [quantised, codes, x_zero, zero])
        scales = self.node("Mul", [x_scale, self.constant(f"{name}.w_scale", scale.astype(np.float32))])
        real = self.node("Mul", [self.node("Cast", [product], to=TensorProto.FLOAT), scales])
        return self.node("Add", [real, offset])

    def _layer_norm(self, x: str, name: str) -> str:
        gain = self.constant(f"{name}.gain", self._tensors[f"{name}.weight"])
        offset = self.constant(f"{name}.offset", self._tensors[f"{name}.bias"])
        return self.node("LayerNormalization", [x, gain, offset], axis=-1, epsilon=LAYER_NORM_EPSILON)

    def pool(self, hidden: str) -> str:
        """The mean over the attended tokens, scaled to unit length."""
        weights = self.node("Unsqueeze", ["mask", self.integers(2)])
        total = self.node("ReduceSum", [self.node("Mul", [hidden, weights]), self.integers(1)], keepdims=0)
        mean = self.node("Div", [total, self.node("ReduceSum", [weights, self.integers(1)], keepdims=0)])
        norm = self.node("ReduceL2", [mean, self.integers(1)], keepdims=1)
        return self.node("Div", [mean, norm], output="sentence_vector")

    def model(self) -> onnx.ModelProto:
        tokens = ["batch", "tokens"]
        inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, tokens) for n in ("input_ids", "attention_mask")]
        outputs = [
            helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [*tokens, WIDTH]),
            helper.make_tensor_value_info("sentence_vector", TensorProto.FLOAT, ["batch", WIDTH]),
        ]
        graph = helper.make_graph(self._nodes, "all-MiniLM-L6-v2", inputs, outputs, list(self._constants.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        return model
