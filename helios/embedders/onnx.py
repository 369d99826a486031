"""An embedder out of a folder that the operator names: a model in ONNX as sentence-transformers' exports are laid out.

    model.onnx                          or onnx/model.onnx, or either as model_quantized.onnx
    tokenizer.json                      of the tokenizers library
    1_Pooling/config.json               optional: how a text's vector is made of its tokens'
    config_sentence_transformers.json   optional: `prompts` for queries and passages
    sentence_bert_config.json           optional: how many tokens are read

What the settings say goes before what the folder says. The folder is tried when the process starts.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from helios.embedders.base import EmbedderError, unit_rows
from helios.embedders.config import EmbedderConfig, EmbedderConfigError
from helios.models.cache import content_key
from helios.models.embedder import Vectors
from helios.models.weights import sha256_of
from schema.embedders import SPACE_DIMENSIONS

GRAPHS: Final = ("model.onnx", "onnx/model.onnx", "model_quantized.onnx", "onnx/model_quantized.onnx")
INPUTS: Final = {"input_ids", "attention_mask", "token_type_ids"}
TOKENS_MAX: Final = 512
SENTENCE_OUTPUTS: Final = ("sentence_embedding", "sentence_vector")


class OnnxEmbedder:
    """Safe to share between threads. One text a pass: see `helios.models.embedder.Embedder.embed`."""

    remote = False

    def __init__(self, config: EmbedderConfig, threads: int = 1) -> None:
        """Raises `EmbedderConfigError`, which says what is wrong with the folder."""
        assert config.folder is not None
        folder = config.folder.expanduser()
        self.name, self.multilingual = config.name, config.multilingual
        graph = next((folder / each for each in GRAPHS if (folder / each).is_file()), None)
        if graph is None:
            raise EmbedderConfigError(f"the embedder {self.name}: {folder} holds none of {', '.join(GRAPHS)}")
        self._prefixes = _prefixes(config, folder)
        self._pooling = config.pooling or _pooling(folder)
        try:
            self._tokenizer = _tokenizer(folder)
            self._session = _session(graph, threads)
            self.dimension = self._trial()
        except EmbedderConfigError:
            raise
        except Exception as error:  # what the two libraries raise of a file that is not theirs has no common type
            what = f"the embedder {self.name}: {folder} cannot be used ({type(error).__name__})"
            raise EmbedderConfigError(f"{what}: {str(error)[:200]}") from error
        if config.dimension not in (None, self.dimension):
            raise EmbedderConfigError(
                f"the embedder {self.name}: its vectors have {self.dimension} numbers, not {config.dimension}"
            )
        self.space = f"{self.name}:{_fingerprint(graph, folder, self._pooling, self._prefixes)}"

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return await asyncio.to_thread(self._embed, [self._prefixes[0] + text for text in texts])

    async def embed_chunks(self, texts: Sequence[str]) -> Vectors:
        return await asyncio.to_thread(self._embed, [self._prefixes[1] + text for text in texts])

    async def close(self) -> None:
        """Nothing is open."""

    def _embed(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        return unit_rows([self._vector(text) for text in texts], len(texts), self.dimension, self.name)

    def _trial(self) -> int:
        """How many numbers a vector has, found out by making one."""
        unknown = {each.name for each in self._session.get_inputs()} - INPUTS
        if unknown:
            raise EmbedderConfigError(f"the embedder {self.name}: its model asks for {', '.join(sorted(unknown))}")
        dimension = len(self._vector("a text"))
        if dimension not in SPACE_DIMENSIONS:
            known = ", ".join(map(str, SPACE_DIMENSIONS))
            raise EmbedderConfigError(f"the embedder {self.name}: vectors of {dimension} numbers; known are {known}")
        return dimension

    def _vector(self, text: str) -> Any:
        tokens = np.array([self._tokenizer.encode(text).ids], dtype=np.int64)
        given = {
            "input_ids": tokens,
            "attention_mask": np.ones_like(tokens),
            "token_type_ids": np.zeros_like(tokens),
        }
        outputs = [each.name for each in self._session.get_outputs()]
        whole = next((each for each in SENTENCE_OUTPUTS if each in outputs), None)
        wanted = whole or ("last_hidden_state" if "last_hidden_state" in outputs else outputs[0])
        feeds = {each.name: given[each.name] for each in self._session.get_inputs()}
        (found,) = self._session.run([wanted], feeds)
        if found.ndim == 2:
            return found[0]
        if found.ndim != 3:
            raise EmbedderError("invalid_response", f"{self.name}: its output has {found.ndim} axes", retryable=False)
        return found[0].mean(axis=0) if self._pooling == "mean" else found[0, 0]


def _session(graph: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.enable_cpu_mem_arena = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])


def _tokenizer(folder: Path) -> Any:
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    if not path.is_file():
        raise EmbedderConfigError(f"{folder} holds no tokenizer.json")
    found = Tokenizer.from_file(str(path))
    found.no_padding()
    told = _told(folder / "sentence_bert_config.json").get("max_seq_length")
    found.enable_truncation(told if isinstance(told, int) and 8 <= told <= TOKENS_MAX else TOKENS_MAX)
    return found


def _prefixes(config: EmbedderConfig, folder: Path) -> tuple[str, str]:
    prompts = _told(folder / "config_sentence_transformers.json").get("prompts")
    named = prompts if isinstance(prompts, dict) else {}
    query = config.query_prefix if config.query_prefix is not None else named.get("query", "")
    chunk = config.chunk_prefix if config.chunk_prefix is not None else named.get("passage", named.get("document", ""))
    return str(query), str(chunk)


def _pooling(folder: Path) -> str:
    return "cls" if _told(folder / "1_Pooling" / "config.json").get("pooling_mode_cls_token") is True else "mean"


def _told(path: Path) -> dict[str, Any]:
    """A JSON object of the folder, empty where there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise EmbedderConfigError(f"{path} is not readable as JSON ({type(error).__name__})") from None
    return found if isinstance(found, dict) else {}


def _fingerprint(graph: Path, folder: Path, pooling: str, prefixes: tuple[str, str]) -> str:
    """Of all that its vectors hang on; weights may lie in files beside the graph."""
    files = [*sorted(graph.parent.glob(f"{graph.name}*")), folder / "tokenizer.json"]
    return content_key(*(sha256_of(each) for each in files), pooling, *prefixes)[:12]
