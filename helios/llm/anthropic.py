"""Answers from Anthropic's Messages API."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from helios.llm.base import Finished, GeneratorError, Prompt, TextDelta
from helios.llm.failures import diagnose
from helios.llm.fallback import Fallback
from helios.llm.prompting import Rendered, cites, render
from helios.llm.streaming import Limits, ProviderStream, count, relay
from helios.settings import Settings

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

NAME = "anthropic"
OFFICIAL_URL = "https://api.anthropic.com"
OPTIONAL = ("thinking", "output_config")

PLAIN_MODELS = ("claude-3", "claude-haiku-4", "claude-sonnet-4", "claude-opus-4")
"""Models that think only when asked to. Later ones think unless told not to, where they can be told."""
THINKING_TOKENS = 2000
"""Room for thinking, which counts against the limit of the output."""


class AnthropicGenerator:
    """Streams answers by the Messages API. One connection pool per object; safe for concurrent turns."""

    name = NAME
    local = False

    def __init__(self, settings: Settings) -> None:
        """Raises ImportError without the SDK. The key is `settings.anthropic_api_key`."""
        import anthropic

        # At DEBUG the SDK logs whole requests: the conversation.
        logging.getLogger(NAME).setLevel(logging.WARNING)
        self._sdk: Any = anthropic
        self._settings = settings
        base_url = settings.anthropic_base_url or OFFICIAL_URL
        self._fallback = Fallback(guess=base_url.rstrip("/") != OFFICIAL_URL)
        self._client: AsyncAnthropic = anthropic.AsyncAnthropic(
            api_key=settings.anthropic_api_key.get_secret_value().strip(),
            base_url=base_url,
            max_retries=0,
            timeout=anthropic.Timeout(None, connect=settings.llm_first_token_timeout_s),
            # A redirect would carry the conversation to a host that nobody chose.
            http_client=anthropic.DefaultAsyncHttpxClient(follow_redirects=False),
        )

    async def stream(self, prompt: Prompt) -> AsyncGenerator[TextDelta | Finished, None]:
        """Yield the answer's pieces and its Finished. Raises GeneratorError."""
        rendered = render(prompt)
        answer = _Answer(self._settings.anthropic_model, len(prompt.passages))
        limits = Limits.of(self._settings, prompt.max_output_tokens)
        pieces = relay(lambda: self._open(rendered, prompt.max_output_tokens), answer, self._diagnose, limits)
        try:
            async for piece in pieces:
                yield piece
        finally:
            await pieces.aclose()

    async def close(self) -> None:
        """Close the connection pool."""
        await self._client.close()

    def _diagnose(self, error: Exception, opened: bool) -> GeneratorError | None:
        return diagnose(NAME, self._sdk, error, opened=opened)

    async def _open(self, rendered: Rendered, max_output_tokens: int) -> ProviderStream:
        request = request_body(self._settings.anthropic_model, rendered, max_output_tokens)

        async def send(left_out: frozenset[str]) -> ProviderStream:
            body = {key: value for key, value in request.items() if key not in left_out}
            stream: ProviderStream = await self._sdk_create(**body)
            return stream

        optional = [key for key in OPTIONAL if key in request]
        refusals = (self._sdk.BadRequestError, self._sdk.UnprocessableEntityError)
        return await self._fallback.request(send, optional, refusals)

    async def _sdk_create(self, **body: Any) -> Any:
        return await self._client.messages.create(**body)


def request_body(model: str, rendered: Rendered, max_output_tokens: int) -> dict[str, Any]:
    """The body of a Messages request, with every optional parameter. The rules are marked for the provider's cache."""
    body: dict[str, Any] = {
        "model": model,
        "system": [
            {"type": "text", "text": rendered.rules, "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": rendered.context},
        ],
        "messages": [{"role": message.role, "content": message.content} for message in rendered.messages],
        "stream": True,
        "max_tokens": max_output_tokens,
    }
    if not model.startswith(PLAIN_MODELS):
        body["max_tokens"] += THINKING_TOKENS
        body |= {"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}}
    return body


class _Answer:
    """One answer, as events of the Messages API add to it."""

    def __init__(self, model: str, passages: int) -> None:
        self._model = model
        self._passages = passages
        self._text: list[str] = []
        self._begun = False
        self._stopped = False
        self._reason: str | None = None
        self._input_tokens = self._cached_tokens = self._written_tokens = self._output_tokens = 0

    @property
    def over(self) -> bool:
        return self._stopped

    def take(self, event: Any) -> str:
        added = ""
        match getattr(event, "type", None):
            case "message_start":
                self._begun = True
                if isinstance(event.message.model, str) and event.message.model:
                    self._model = event.message.model
                self._count(event.message.usage)
            case "content_block_start":
                added = _text_of(event.content_block, "text", "tool_use")
            case "content_block_delta":
                added = _text_of(event.delta, "text_delta", "input_json_delta")
            case "message_delta":
                self._reason = event.delta.stop_reason or self._reason
                self._count(event.usage)
                if self._reason == "max_tokens" and self._text:
                    added = " …"  # honest about an answer that was cut at its limit
            case "message_stop":
                self._stopped = True
        if added:
            self._text.append(added)
        return added

    def _count(self, usage: Any) -> None:
        """Counts are cumulative; a later event repeats only some of them."""
        self._input_tokens = count(usage, "input_tokens") or self._input_tokens
        self._cached_tokens = count(usage, "cache_read_input_tokens") or self._cached_tokens
        self._written_tokens = count(usage, "cache_creation_input_tokens") or self._written_tokens
        self._output_tokens = count(usage, "output_tokens") or self._output_tokens

    def finished(self) -> Finished:
        text = "".join(self._text)
        if not self._begun:
            raise GeneratorError("invalid_response", f"{NAME}: not a stream of events")
        if self._reason in ("refusal", "model_context_window_exceeded"):
            raise GeneratorError("rejected", f"{NAME}: {self._reason}")
        if not self._stopped:
            raise GeneratorError("cut_off", f"{NAME}: ended before its end")
        if not text.strip() or self._reason in ("tool_use", "pause_turn"):
            # At the limit without a word: asked again it would spend its tokens on thinking again.
            raise GeneratorError("invalid_response", f"{NAME}: no text", retryable=self._reason != "max_tokens")
        return Finished(
            model=self._model,
            input_tokens=self._input_tokens + self._cached_tokens + self._written_tokens,
            output_tokens=self._output_tokens,
            cached_input_tokens=self._cached_tokens,
            supported=cites(text, self._passages),
            cache_write_tokens=self._written_tokens,
        )


def _text_of(part: Any, text_type: str, forbidden_type: str) -> str:
    """The text of a content block or delta; "" for thinking and the like. No tool was offered, so none may be used."""
    if part.type == forbidden_type:
        raise GeneratorError("invalid_response", f"{NAME}: a tool call")
    if part.type != text_type:
        return ""
    if not isinstance(part.text, str):
        raise TypeError("text is not text")
    return part.text
