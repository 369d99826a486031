"""Answers from OpenAI, or from any server that speaks its Chat Completions protocol (OPENAI_BASE_URL)."""

from __future__ import annotations

import hashlib
from typing import Any

from helios.llm.base import Finished, GeneratorError
from helios.llm.failures import by_code
from helios.llm.prompting import Rendered, cites
from helios.llm.remote import Dialect, SdkGenerator, connection
from helios.llm.streaming import count
from helios.settings import Settings

NAME = "openai"
OFFICIAL_URL = "https://api.openai.com/v1"

REASONING_EFFORT = (
    # Longest prefix first. These models think before they write; a chat needs the least of it.
    ("gpt-5-chat", None),
    ("gpt-5.", "none"),
    ("gpt-5", "minimal"),
    ("gpt-6", "none"),
    ("o1", "low"),
    ("o3", "low"),
    ("o4", "low"),
)
THINKING_TOKENS = 2000
"""Room for thinking, which counts against the limit of the output."""


def openai_generator(settings: Settings) -> SdkGenerator:
    """The generator of `settings.openai_model`. Raises ImportError without the SDK."""
    import openai

    base_url = settings.openai_base_url or OFFICIAL_URL
    key = settings.openai_api_key.get_secret_value().strip()
    client = openai.AsyncOpenAI(api_key=key, base_url=base_url, **connection(openai, settings))
    dialect = Dialect(
        name=NAME,
        sdk=openai,
        client=client,
        create=client.chat.completions.with_streaming_response.create,
        required={"model": settings.openai_model, "messages": [], "stream": True},
        model=settings.openai_model,
        body=request_body,
        answer=_Answer,
        optional=("stream_options", "max_completion_tokens", "prompt_cache_key", "reasoning_effort"),
        older_name={"max_completion_tokens": "max_tokens"},
        official=base_url.rstrip("/") == OFFICIAL_URL,
    )
    return SdkGenerator(dialect, settings)


def request_body(model: str, rendered: Rendered, max_output_tokens: int) -> dict[str, Any]:
    """The body of a Chat Completions request, with every optional parameter."""
    effort = next((effort for prefix, effort in REASONING_EFFORT if model.startswith(prefix)), None)
    body: dict[str, Any] = {
        "model": model,
        "messages": [
            {"role": "system", "content": f"{rendered.rules}\n{rendered.context}"},
            *({"role": message.role, "content": message.content} for message in rendered.messages),
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_completion_tokens": max_output_tokens + (THINKING_TOKENS if effort else 0),
        # Turns with the same rules meet on the same cache.
        "prompt_cache_key": hashlib.sha256(rendered.rules.encode()).hexdigest()[:32],
    }
    if effort:
        body["reasoning_effort"] = effort
    return body


class _Answer:
    """One answer, as chunks of Chat Completions add to it."""

    def __init__(self, model: str, passages: int) -> None:
        self._model = model
        self._passages = passages
        self._text: list[str] = []
        self._chunks = 0
        self._finish: str | None = None
        self._refused = False
        self._usage: dict[str, Any] = {}

    @property
    def over(self) -> bool:
        return self._finish is not None

    def take(self, event: dict[str, Any]) -> str:
        if error := event.get("error"):
            raise by_code(NAME, error)
        if isinstance(model := event.get("model"), str) and model:
            self._model = model
        self._usage = event.get("usage") or self._usage
        added = "".join([self._choice(choice) for choice in event.get("choices") or ()])
        if added:
            self._text.append(added)
        return added

    def _choice(self, choice: dict[str, Any]) -> str:
        self._chunks += 1
        delta = choice.get("delta") or {}
        text = delta.get("content") or ""
        if not isinstance(text, str):
            raise TypeError("content is not text")
        self._refused = self._refused or bool(delta.get("refusal"))
        if reason := choice.get("finish_reason"):
            self._finish = str(reason)
            if self._finish == "length" and (text or self._text):
                text += " …"  # honest about an answer that was cut at its limit
        return text

    def finished(self) -> Finished:
        text = "".join(self._text)
        if self._refused or self._finish == "content_filter":
            raise GeneratorError("rejected", f"{NAME}: refused by the provider's filter")
        if self._finish is None:
            raise (
                GeneratorError("cut_off", f"{NAME}: ended before its end")
                if self._chunks
                else GeneratorError("invalid_response", f"{NAME}: not a stream of chunks")
            )
        if not text.strip() or self._finish in ("tool_calls", "function_call"):
            # At the limit without a word: asked again it would spend its tokens on thinking again.
            raise GeneratorError("invalid_response", f"{NAME}: no text", retryable=self._finish != "length")
        details = self._usage.get("prompt_tokens_details") or {}
        return Finished(
            model=self._model,
            input_tokens=count(self._usage, "prompt_tokens"),
            output_tokens=count(self._usage, "completion_tokens"),
            cached_input_tokens=count(details, "cached_tokens"),
            supported=cites(text, self._passages),
            cache_write_tokens=count(details, "cache_write_tokens"),
        )
