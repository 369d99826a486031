"""Answers from Anthropic's Messages API."""

from __future__ import annotations

from typing import Any

from helios.llm.base import Finished, GeneratorError
from helios.llm.failures import by_code
from helios.llm.prompting import Rendered, cites
from helios.llm.remote import Dialect, SdkGenerator, connection
from helios.llm.streaming import count
from helios.settings import Settings

NAME = "anthropic"
OFFICIAL_URL = "https://api.anthropic.com"

PLAIN_MODELS = ("claude-3", "claude-haiku-4", "claude-sonnet-4", "claude-opus-4")
"""Models that think only when asked to. Later ones think unless told not to, where they can be told."""
THINKING_TOKENS = 2000
"""Room for thinking, which counts against the limit of the output."""


def anthropic_generator(settings: Settings) -> SdkGenerator:
    """The generator of `settings.anthropic_model`. Raises ImportError without the SDK."""
    import anthropic

    base_url = settings.anthropic_base_url or OFFICIAL_URL
    key = settings.anthropic_api_key.get_secret_value().strip()
    client = anthropic.AsyncAnthropic(api_key=key, base_url=base_url, **connection(anthropic, settings))
    dialect = Dialect(
        name=NAME,
        sdk=anthropic,
        client=client,
        create=client.messages.with_streaming_response.create,
        required={"model": settings.anthropic_model, "messages": [], "max_tokens": 1, "stream": True},
        model=settings.anthropic_model,
        body=request_body,
        answer=_Answer,
        optional=("thinking", "output_config"),
        official=base_url.rstrip("/") == OFFICIAL_URL,
    )
    return SdkGenerator(dialect, settings)


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

    def take(self, event: dict[str, Any]) -> str:
        added = ""
        match event.get("type"):
            case "message_start":
                self._begun = True
                message = event["message"]
                if isinstance(model := message.get("model"), str) and model:
                    self._model = model
                self._count(message.get("usage"))
            case "content_block_start":
                added = _text_of(event["content_block"], "text", "tool_use")
            case "content_block_delta":
                added = _text_of(event["delta"], "text_delta", "input_json_delta")
            case "message_delta":
                self._reason = event["delta"].get("stop_reason") or self._reason
                self._count(event.get("usage"))
                if self._reason == "max_tokens" and self._text:
                    added = " …"  # honest about an answer that was cut at its limit
            case "message_stop":
                self._stopped = True
            case "error":
                raise by_code(NAME, event)
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


def _text_of(part: dict[str, Any], text_type: str, forbidden_type: str) -> str:
    """The text of a content block or delta; "" for thinking and the like. No tool was offered, so none may be used."""
    if part["type"] == forbidden_type:
        raise GeneratorError("invalid_response", f"{NAME}: a tool call")
    if part["type"] != text_type:
        return ""
    text = part["text"]
    if not isinstance(text, str):
        raise TypeError("text is not text")
    return text
