"""What every remote generator does alike; a Dialect says how one provider's SDK is spoken to."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from helios.llm.base import Finished, GeneratorError, Prompt, TextDelta
from helios.llm.events import EventStream, Response
from helios.llm.failures import diagnose
from helios.llm.fallback import Fallback
from helios.llm.prompting import Rendered, render
from helios.llm.streaming import Answer, Limits, relay
from helios.settings import Settings

MAX_RESPONSE_BYTES = 8 * 1024 * 1024
"""Ten times what a long answer takes: only a broken server sends more."""
KEEPALIVE_S = 30.0
"""How long an idle connection is kept: the next turn then needs no new TLS handshake."""


class SdkClient(Protocol):
    """A provider's client: both SDKs close alike."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Dialect:
    """One provider's SDK and protocol."""

    name: str
    sdk: Any
    """The SDK's module; the two name their exceptions alike."""
    client: SdkClient
    create: Callable[..., AbstractAsyncContextManager[Response]]
    """Opens a response. Takes `required`, and as `extra_body` the whole body: that replaces what was given, and saves
    the SDK's walk through every message to look for what it might rename, a third of a request's CPU."""
    required: Mapping[str, Any]
    """Arguments that the SDK insists on."""
    model: str
    body: Callable[[str, Rendered, int], dict[str, Any]]
    """(model, prompt, output tokens) → the request's body, with every optional parameter."""
    answer: Callable[[str, int], Answer]
    """(model, number of passages) → an answer that has yet to grow."""
    optional: tuple[str, ...]
    """Parameters that a server may refuse."""
    older_name: Mapping[str, str] = field(default_factory=dict)
    """What a refused parameter was called before."""
    official: bool = True
    """The provider's own server, which names the parameter that it refuses."""


class SdkGenerator:
    """Streams answers by a provider's SDK. One connection pool per object; safe for concurrent turns of one loop."""

    local = False

    def __init__(self, dialect: Dialect, settings: Settings) -> None:
        self.name = dialect.name
        self._dialect = dialect
        self._settings = settings
        self._fallback = Fallback(guess=not dialect.official)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[TextDelta | Finished, None]:
        """Yield the answer's pieces and its Finished. Raises GeneratorError."""
        rendered = render(prompt)
        answer = self._dialect.answer(self._dialect.model, len(prompt.passages))
        limits = Limits.of(self._settings, prompt.max_output_tokens)
        pieces = relay(lambda: self._open(rendered, prompt.max_output_tokens), answer, self._diagnose, limits)
        try:
            async for piece in pieces:
                yield piece
        finally:
            await pieces.aclose()

    async def close(self) -> None:
        """Close the connection pool."""
        await self._dialect.client.close()

    def _diagnose(self, error: Exception, opened: bool) -> GeneratorError | None:
        return diagnose(self.name, self._dialect.sdk, error, opened=opened)

    async def _open(self, rendered: Rendered, max_output_tokens: int) -> EventStream:
        dialect = self._dialect
        request = dialect.body(dialect.model, rendered, max_output_tokens)

        async def send(left_out: frozenset[str]) -> EventStream:
            body = {key: value for key, value in request.items() if key not in left_out}
            body |= {old: request[new] for new, old in dialect.older_name.items() if new in left_out and new in request}
            # Entering opens the response; EventStream.close does all that leaving would do.
            return EventStream(await dialect.create(**dialect.required, extra_body=body).__aenter__())

        optional = [key for key in dialect.optional if key in request]
        refusals = (dialect.sdk.BadRequestError, dialect.sdk.UnprocessableEntityError)
        return await self._fallback.request(send, optional, refusals)


def connection(sdk: Any, settings: Settings) -> dict[str, Any]:
    """The arguments that make an SDK's client behave: no retries of its own, no redirects, no endless body, no logs.

    A redirect would carry the conversation to a host that nobody chose; at DEBUG the SDKs log whole requests.
    """
    import httpx2  # the HTTP client of both SDKs

    for logger in (sdk.__name__, "httpx2", "httpcore2"):
        logging.getLogger(logger).setLevel(logging.WARNING)
    timeout = httpx2.Timeout(settings.llm_answer_timeout_s, connect=settings.llm_first_token_timeout_s)
    client = sdk.DefaultAsyncHttpxClient(
        follow_redirects=False,
        timeout=timeout,
        limits=httpx2.Limits(max_connections=1000, max_keepalive_connections=100, keepalive_expiry=KEEPALIVE_S),
        event_hooks={"response": [_limit_size]},
    )
    return {"max_retries": 0, "timeout": timeout, "http_client": client}


async def _limit_size(response: Any) -> None:
    """Replace a response's body by one that ends in an error when it grows beyond all measure."""
    import httpx2

    inner = response.stream

    class Limited(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            left = MAX_RESPONSE_BYTES
            async for part in inner:
                left -= len(part)
                if left < 0:
                    raise ValueError("response too large")
                yield part

        async def aclose(self) -> None:
            await inner.aclose()

    response.stream = Limited()
