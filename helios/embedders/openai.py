"""Embeddings of OpenAI and of every server that speaks its `/v1/embeddings`, by the official SDK."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from helios.embedders.base import EmbedderError, unit_rows
from helios.embedders.config import EmbedderConfig, EmbedderConfigError
from helios.llm.base import GeneratorError
from helios.llm.breaker import COUNTED, Breaker, Verdict
from helios.llm.failures import diagnose
from helios.llm.fallback import Fallback
from helios.llm.remote import connection
from helios.models.cache import content_key
from helios.models.embedder import Vectors
from helios.settings import Settings

TEXTS_MAX: Final = 64
CHARACTERS_MAX: Final = 100_000
"""Of a request: a third of what OpenAI takes, and no answer grows beyond `MAX_RESPONSE_BYTES`."""
TRIES: Final = 4
PAUSE_S: Final = 0.5
PAUSE_MOST_S: Final = 5.0
"""Within one batch. What asks for more is left to who called: work that is not in a hurry waits without a place."""
ANSWER_WITHIN_S: Final = 60.0
OFFICIAL_URL: Final = "https://api.openai.com/v1"


class OpenAIEmbedder:
    """One connection pool per object, for one event loop; safe for concurrent turns."""

    remote = True

    def __init__(self, config: EmbedderConfig, settings: Settings) -> None:
        """Raises `EmbedderConfigError`. The SDK is loaded with the first text: 2 s that most processes need not pay."""
        assert config.dimension is not None
        self.name, self.dimension, self.multilingual = config.name, config.dimension, config.multilingual
        self.space = space_of(config)
        self.breaker = Breaker(settings.llm_breaker_failures, settings.llm_breaker_open_s)
        self._model = config.model
        self._prefixes = (config.query_prefix or "", config.chunk_prefix or "")
        self._key = key_of(config, settings)
        self._base_url = config.base_url or settings.openai_base_url or OFFICIAL_URL
        self._settings = settings
        self._fallback = Fallback(guess=self._base_url.rstrip("/") != OFFICIAL_URL)
        self._sdk: Any = None
        self._client: Any = None

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """One try. While it fails repeatedly it is not asked at all: turns do not wait for nothing."""
        entry = self.breaker.enter()
        if isinstance(entry, float):
            raise EmbedderError("unavailable", f"{self.name}: not asked, it failed repeatedly", retry_after_s=entry)
        verdict: Verdict = "undecided"
        try:
            vectors = await self._ask(
                [self._prefixes[0] + text for text in texts], self._settings.embedder_query_timeout_s
            )
            verdict = "healthy"
        except EmbedderError as error:
            verdict = "failed" if error.kind in COUNTED else "healthy"
            raise
        finally:
            self.breaker.leave(entry, verdict)
        return vectors

    async def embed_chunks(self, texts: Sequence[str]) -> Vectors:
        batches = [await self._try_batch(batch) for batch in _batches([self._prefixes[1] + text for text in texts])]
        return np.concatenate(batches) if batches else np.empty((0, self.dimension), dtype=np.float32)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def _load(self) -> None:
        if self._client is None:
            sdk = await asyncio.to_thread(importlib.import_module, "openai")
            self._sdk = sdk
            self._client = sdk.AsyncOpenAI(
                api_key=self._key, base_url=self._base_url, **connection(sdk, self._settings)
            )

    async def _try_batch(self, texts: Sequence[str]) -> Vectors:
        """Short pauses are made here, as the server asks for or doubled; a longer one is the caller's."""
        pause_s = PAUSE_S
        for _ in range(TRIES - 1):
            try:
                return await self._ask(texts, ANSWER_WITHIN_S)
            except EmbedderError as error:
                wait_s = pause_s if error.retry_after_s is None else error.retry_after_s
                if not error.retryable or wait_s > PAUSE_MOST_S:
                    raise
                await asyncio.sleep(wait_s)
                pause_s = min(2 * pause_s, PAUSE_MOST_S)
        return await self._ask(texts, ANSWER_WITHIN_S)

    async def _ask(self, texts: Sequence[str], within_s: float) -> Vectors:
        await self._load()
        try:
            async with asyncio.timeout(within_s):
                raw = await self._send(texts)
            return _read(json.loads(raw), len(texts), self.dimension, self.name)
        except EmbedderError:
            raise
        except Exception as error:
            failure = diagnose(self.name, self._sdk, error, opened=False)
            if failure is None:
                raise
            raise _as_embedder_error(failure) from None

    async def _send(self, texts: Sequence[str]) -> bytes:
        request = {
            "model": self._model,
            "input": list(texts),
            "encoding_format": "float",
            "dimensions": self.dimension,
        }

        async def send(left_out: frozenset[str]) -> bytes:
            body = {key: value for key, value in request.items() if key not in left_out}
            required: dict[str, Any] = {"model": self._model, "input": []}
            # The raw answer: the SDK would trust the shape of what it parses.
            answer = await self._client.embeddings.with_raw_response.create(
                **required, encoding_format="float", extra_body=body
            )
            content: bytes = answer.content
            return content

        refusals = (self._sdk.BadRequestError, self._sdk.UnprocessableEntityError)
        return await self._fallback.request(send, ("dimensions",), refusals)


def space_of(config: EmbedderConfig) -> str:
    """By what its vectors hang on. The server does not count: the same model has the same vectors anywhere."""
    key = content_key(
        config.model, str(config.dimension), config.query_prefix or "", config.chunk_prefix or ""
    )  # fmt: skip
    return f"{config.name}:{key[:12]}"


def key_of(config: EmbedderConfig, settings: Settings) -> str:
    """Its own key, or OpenAI's where it is at that very server. Raises `EmbedderConfigError` where there is none."""
    own = config.api_key.get_secret_value().strip()
    same = config.base_url in (None, settings.openai_base_url or OFFICIAL_URL)
    key = own or (settings.openai_api_key.get_secret_value().strip() if same else "")
    if not key:
        raise EmbedderConfigError(
            f"the embedder {config.name} needs `api_key` (any word for a server that asks for none)"
            + (", or OPENAI_API_KEY" if same else "")
        )
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise EmbedderConfigError(f"the key of the embedder {config.name} holds characters that no key has")
    return key


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        if batch and (len(batch) == TEXTS_MAX or size + len(text) > CHARACTERS_MAX):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text)
    if batch:
        yield batch


def _read(answer: Any, count: int, dimension: int, name: str) -> Vectors:
    """In the order of the texts, which is that of `index`, whatever order they stand in."""
    rows: dict[int, Any] = {int(each["index"]): each["embedding"] for each in answer["data"]}
    if len(answer["data"]) != count or sorted(rows) != list(range(count)):
        raise EmbedderError("invalid_response", f"{name}: not one vector for each text")
    return unit_rows([rows[index] for index in range(count)], count, dimension, name)


def _as_embedder_error(error: GeneratorError) -> EmbedderError:
    return EmbedderError(error.kind, str(error), retry_after_s=error.retry_after_s, retryable=error.retryable)
