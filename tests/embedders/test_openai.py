"""The embedder behind an API, against a server that speaks its protocol, well and badly."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, Protocol

import numpy as np
import pytest
from pydantic import SecretStr

from helios.embedders.base import EmbedderError
from helios.embedders.config import EmbedderConfig, EmbedderConfigError
from helios.embedders.openai import TEXTS_MAX, OpenAIEmbedder, key_of
from helios.settings import Settings
from tests.embedders.embedding_server import Asked, EmbeddingServer, answer, embedding_server, failing, vector, well

KEY = "sk-SECRET-KEY-0123456789"
SECRET = "SECRET-WORDS about a card"


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    with embedding_server() as running:
        yield running


class Made(Protocol):
    def __call__(self, timeout_s: float = 5.0, **changed: Any) -> OpenAIEmbedder: ...


@pytest.fixture
async def made(server: EmbeddingServer) -> AsyncIterator[Made]:
    """Makes embedders that are closed when the test is over."""
    all_made: list[OpenAIEmbedder] = []

    def make(timeout_s: float = 5.0, **changed: Any) -> OpenAIEmbedder:
        fields = {"name": "lab", "model": "words", "dimension": 256, "base_url": server.base_url, "api_key": KEY}
        config = EmbedderConfig.model_validate({**fields, **changed})
        settings = Settings(embedder_query_timeout_s=timeout_s, llm_breaker_failures=2)
        all_made.append(OpenAIEmbedder(config, settings))
        return all_made[-1]

    yield make
    for each in all_made:
        await each.close()


async def failure(embedder: OpenAIEmbedder, text: str = SECRET) -> EmbedderError:
    with pytest.raises(EmbedderError) as raised:
        await embedder.embed_queries([text])
    assert KEY not in str(raised.value)
    assert "SECRET" not in str(raised.value)
    return raised.value


async def test_each_text_gets_its_own_vector_whatever_the_order_of_the_answer(
    server: EmbeddingServer, made: Made
) -> None:
    embedder = made(query_prefix="query: ", chunk_prefix="passage: ")
    vectors = await embedder.embed_queries(["one fee", "another card"])
    expected = np.array([vector(f"query: {text}", 256) for text in ("one fee", "another card")])
    assert vectors.dtype == np.float32
    assert np.allclose(vectors, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6)
    await embedder.embed_chunks(["a chunk"])
    assert server.texts == ["query: one fee", "query: another card", "passage: a chunk"]
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert server.requests[0].body["model"] == "words"


async def test_chunks_go_in_batches_and_come_back_in_order(server: EmbeddingServer, made: Made) -> None:
    texts = [f"word{n}" for n in range(2 * TEXTS_MAX + 3)]
    vectors = await made().embed_chunks(texts)
    assert [len(asked.texts) for asked in server.requests] == [TEXTS_MAX, TEXTS_MAX, 3]
    assert np.allclose(
        vectors[-1], np.array(vector(texts[-1], 256)) / np.linalg.norm(vector(texts[-1], 256)), atol=1e-6
    )
    assert (await made().embed_chunks([])).shape == (0, 256)


async def test_a_server_that_does_not_know_dimensions_is_asked_without(server: EmbeddingServer, made: Made) -> None:
    def reply(asked: Asked) -> tuple[int, dict[str, str], bytes]:
        return failing(400)(asked) if "dimensions" in asked.body else well(asked)

    server.behave(reply)
    embedder = made()
    await embedder.embed_queries(["a"])
    await embedder.embed_queries(["b"])
    assert ["dimensions" in asked.body for asked in server.requests] == [True, False, False]


@pytest.mark.parametrize(("status", "kind", "retryable"), [
    (401, "rejected", False), (403, "rejected", False), (429, "rate_limited", True), (500, "unavailable", True),
    (503, "unavailable", True), (504, "timeout", True), (302, "rejected", False),
])  # fmt: skip
async def test_a_status_is_a_typed_failure(
    server: EmbeddingServer, made: Made, status: int, kind: str, retryable: bool
) -> None:
    server.behave(failing(status, Retry_After="17"))
    error = await failure(made())
    assert (error.kind, error.retryable) == (kind, retryable)
    assert error.retry_after_s == (None if kind == "rejected" else 17.0)


def _rows(rows: list[Any]) -> bytes:
    return answer([{"index": n, "embedding": row} for n, row in enumerate(rows)])


@pytest.mark.parametrize("body", [
    _rows([[1.0] * 255]), _rows([[float("nan")] * 256]), _rows([[float("inf")] * 256]), _rows([[0.0] * 256]),
    _rows([["1"] * 256]), _rows([]), _rows([[1.0] * 256] * 2), _rows(["AAAA"]), _rows([None]),
    answer([{"index": 1, "embedding": [1.0] * 256}]), answer([{"embedding": [1.0] * 256}]),
    _rows([[1.0] * 256])[:-40], b"", b"<html>", b"[]", b"null", b"{}", json.dumps({"data": None}).encode(),
    b"[" * 100_000,
])  # fmt: skip
async def test_what_is_no_vector_is_none(server: EmbeddingServer, made: Made, body: bytes) -> None:
    server.behave(lambda asked: (200, {}, body))
    assert (await failure(made())).kind == "invalid_response"


async def test_an_answer_that_is_cut_is_a_failure(server: EmbeddingServer, made: Made) -> None:
    whole = _rows([[1.0] * 256])
    server.behave(lambda asked: (200, {"Content-Length": str(len(whole)), "Connection": "close"}, whole[:100]))
    assert (await failure(made(timeout_s=2.0))).kind in ("unavailable", "cut_off", "timeout")


async def test_nobody_listening_is_a_failure(made: Made) -> None:
    assert (await failure(made(base_url="http://127.0.0.1:9/v1"))).kind == "unavailable"


async def test_a_question_waits_no_longer_than_a_turn_can(server: EmbeddingServer, made: Made) -> None:
    embedder = made(timeout_s=0.2)
    await embedder.embed_queries(["loads the SDK"])
    server.behave(delay_s=1.0)
    begun = time.monotonic()
    assert (await failure(embedder)).kind == "timeout"
    assert time.monotonic() - begun < 0.8


async def test_one_that_fails_repeatedly_is_not_asked_by_every_turn(server: EmbeddingServer, made: Made) -> None:
    server.behave(failing(503))
    embedder = made()
    for _ in range(5):
        assert (await failure(embedder)).kind == "unavailable"
    assert len(server.requests) == 2


async def test_chunks_are_tried_again_after_the_time_that_was_asked_for(server: EmbeddingServer, made: Made) -> None:
    server.behave(failing(429, times=2, Retry_After="0.05"))
    assert (await made().embed_chunks(["a"])).shape == (1, 256)
    assert len(server.requests) == 3


async def test_a_long_wait_is_left_to_who_asked(server: EmbeddingServer, made: Made) -> None:
    server.behave(failing(429, Retry_After="120"))
    with pytest.raises(EmbedderError) as raised:
        await made().embed_chunks(["a"])
    assert (raised.value.kind, raised.value.retry_after_s, len(server.requests)) == ("rate_limited", 120.0, 1)


async def test_what_is_refused_is_not_asked_again(server: EmbeddingServer, made: Made) -> None:
    server.behave(failing(401))
    with pytest.raises(EmbedderError):
        await made().embed_chunks(["a"])
    assert len(server.requests) == 1


def test_openais_key_goes_to_openais_server_alone() -> None:
    settings = Settings(openai_api_key=SecretStr(KEY), openai_base_url=None)
    at_openai = EmbedderConfig(name="a", model="m", dimension=256)
    elsewhere = EmbedderConfig(name="a", model="m", dimension=256, base_url="https://other.example/v1")
    assert key_of(at_openai, settings) == KEY
    with pytest.raises(EmbedderConfigError, match="api_key") as raised:
        key_of(elsewhere, settings)
    assert KEY not in str(raised.value)
    with pytest.raises(EmbedderConfigError, match="characters"):
        key_of(EmbedderConfig(name="a", model="m", dimension=256, api_key=SecretStr("a b")), settings)
