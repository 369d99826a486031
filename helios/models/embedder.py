"""The local text encoder: all-MiniLM-L6-v2 as 8-bit integers, English, 384 dimensions.

At run time it needs onnxruntime, tokenizers and numpy, and no network.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from threading import Lock
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
import numpy.typing as npt

from helios.models.build import ensure_built

if TYPE_CHECKING:
    from helios.models.build import BuiltEncoder
    from helios.settings import Settings

Vectors = npt.NDArray[np.float32]

MAX_TOKENS: Final = 256
"""The length that the model was trained on: what is longer is cut."""
REMEMBERED: Final = 256
"""Vectors of texts whose tokens were looked at: who finds the names in a message has made the pass for everybody."""


class TextEncoder(Protocol):
    """What the rest of the house needs of an encoder."""

    @property
    def name(self) -> str: ...
    @property
    def dimension(self) -> int: ...
    def embed(self, texts: Sequence[str]) -> Vectors: ...


@dataclass(frozen=True, slots=True)
class Encoding:
    """One text after one pass: everything that a turn needs of it."""

    vector: Vectors
    """(384,) float32, unit length."""
    token_vectors: Vectors
    """(tokens, 384) float32, without the two special tokens; not of unit length."""
    token_spans: tuple[tuple[int, int], ...]
    """Where each token stands in the text: characters, end exclusive."""


class Embedder:
    """Encodes texts. Safe to share between threads."""

    dimension: int = 384

    def __init__(self, built: BuiltEncoder, threads: int = 1) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # The arena keeps its peak for ever: hundreds of MB a worker after one long text.
        options.enable_cpu_mem_arena = False
        # A spinning pool burns a core between two texts.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.name: str = built.name
        self._session = onnxruntime.InferenceSession(str(built.graph), options, providers=["CPUExecutionProvider"])
        self._tokenizer = Tokenizer.from_file(str(built.tokenizer))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._vectors: OrderedDict[bytes, Vectors] = OrderedDict()
        self._lock = Lock()

    @classmethod
    def load(cls, settings: Settings) -> Embedder:
        """The encoder of these settings, built first where this machine has none (about 2 s, once).

        Raises `helios.models.weights.WeightsError` where the published weights are missing or not the real ones.
        """
        return cls(ensure_built(settings.model_dir, settings.embedder_weights), settings.embedder_threads)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Rows of unit length, (len(texts), 384) float32, in the order of `texts`.

        One text a pass: activations are quantised over the whole pass, so in a batch a text's vector would depend on
        its neighbours. This way the same text has the same vector, bit for bit, and a cache can never disagree.
        """
        rows = np.empty((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            known = self._vectors.get(_key(text))
            if known is None:
                (known,) = self._run(self._tokenizer.encode(text).ids, "sentence_vector")
            rows[row] = known
        return rows

    def encode(self, text: str) -> Encoding:
        """The text's vector and its tokens' vectors, from one pass."""
        tokens = self._tokenizer.encode(text)
        vector, hidden = self._run(tokens.ids, "sentence_vector", "last_hidden_state")
        spans = tuple((int(start), int(end)) for start, end in tokens.offsets[1:-1])
        with self._lock:
            self._vectors[_key(text)] = vector[0]
            if len(self._vectors) > REMEMBERED:
                self._vectors.popitem(last=False)
        return Encoding(vector[0], hidden[0, 1:-1], spans)

    def count_tokens(self, text: str) -> int:
        """How many of the model's tokens the text has, its two special tokens not counted; at most 254."""
        return len(self._tokenizer.encode(text).ids) - 2

    def _run(self, ids: list[int], *outputs: str) -> list[Vectors]:
        tokens = np.array([ids], dtype=np.int64)
        feeds = {"input_ids": tokens, "attention_mask": np.ones_like(tokens)}
        results: list[Vectors] = self._session.run(list(outputs), feeds)
        return results


def _key(text: str) -> bytes:
    """A hash: no words are kept."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
