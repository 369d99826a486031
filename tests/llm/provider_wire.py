"""What the two providers send over the wire, and the scenarios in which they misbehave."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

Provider = Literal["openai", "anthropic"]
Kind = Literal[
    "answer",  # a normal stream
    "status",  # an error with `status`
    "hang",  # accepts the request and never answers
    "hang_mid",  # falls silent after `after` pieces
    "chatter",  # as hang_mid, but keeps sending signs of life that carry no text
    "slow_headers",  # sends its headers byte by byte, and never all of them
    "drop",  # closes the connection without a word
    "cut",  # closes it inside a chunk after `after` pieces
    "end_early",  # ends the response properly after `after` pieces, without the end of the answer
    "garbage",  # events that are no JSON
    "wrong_shape",  # JSON of another shape
    "html",  # 200 with a web page
    "json",  # 200 with one JSON document
    "empty",  # 200 and nothing
    "blank",  # a whole answer without a word
    "huge",  # text without end
    "endless",  # one event without end
    "error_event",  # an error object of type `error` after `after` pieces
    "redirect",  # 307 to `location`
]


@dataclass(frozen=True)
class Scenario:
    """How the server behaves. Times in seconds."""

    kind: Kind = "answer"
    text: str | None = None
    """The answer; None: the first sentence of passage [1], cited."""
    delay_s: float = 0.0
    """Before each piece of text."""
    first_delay_s: float = 0.0
    """Before the response begins."""
    after: int = 2
    status: int = 500
    error: str = ""
    """The error's code (OpenAI) or type (Anthropic); empty: the usual one of the status."""
    headers: tuple[tuple[str, str], ...] = ()
    """Of an error response, e.g. Retry-After."""
    finish: str = ""
    """The finish or stop reason; empty: the normal end."""
    cached_tokens: int = 0
    refuse: tuple[str, ...] = ()
    """Parameters of the request that get a 400, as an older server gives."""
    refuse_in_words: bool = True
    """Whether that 400 names the parameter."""
    thinking: bool = False
    """Anthropic: a thinking block comes before the text."""
    location: str = ""
    times: int | None = None
    """After so many requests of each provider it behaves normally, with the same text and delays."""

    @classmethod
    def parse(cls, value: Any) -> Scenario:
        """A scenario from its name in SCENARIOS, or from a JSON object with its fields and optionally such a `name`."""
        if isinstance(value, str):
            return SCENARIOS[value]
        given = dict(value)
        base = SCENARIOS[given.pop("name", "answer")]
        known = {field.name for field in fields(cls)}
        if unknown := set(given) - known:
            raise ValueError(f"unknown fields: {sorted(unknown)}")
        lists = {key: tuple(map(tuple, v) if key == "headers" else v) for key, v in given.items() if type(v) is list}
        return replace(base, **{**given, **lists})


SCENARIOS: dict[str, Scenario] = {
    "answer": Scenario(),
    "typing": Scenario(delay_s=0.02),
    "rate_limited": Scenario("status", status=429, headers=(("Retry-After", "7"),)),
    "quota": Scenario("status", status=429, error="insufficient_quota"),
    "unavailable": Scenario("status", status=503, headers=(("Retry-After", "3"),)),
    "overloaded": Scenario("status", status=529),
    "server_error": Scenario("status", status=500),
    "unauthorized": Scenario("status", status=401),
    "bad_request": Scenario("status", status=400),
    **{
        kind: Scenario(kind)
        for kind in (
            *("hang", "hang_mid", "chatter", "slow_headers", "drop", "cut", "end_early", "garbage", "wrong_shape"),
            *("html", "json", "empty", "blank", "huge", "endless", "error_event"),
        )
    },
}

STATUS_ERRORS: dict[Provider, dict[int, str]] = {
    "openai": {400: "invalid_request_error", 401: "invalid_api_key", 429: "rate_limit_exceeded"},
    "anthropic": {
        400: "invalid_request_error",
        401: "authentication_error",
        429: "rate_limit_error",
        529: "overloaded_error",
    },
}

_PASSAGE = re.compile(r'<passage number="1">\nTitle: [^\n]*\n(?:Link: [^\n]*\n)?(.*?)\n</passage>', re.DOTALL)
_SENTENCE = re.compile(r".+?[.!?](?=\s|$)", re.DOTALL)
_PIECE = re.compile(r"\s*\S+|\s+$")
UNSUPPORTED = "I cannot find an answer to that. Would you like me to pass this to a colleague?"


def answer_text(body: dict[str, Any], scenario: Scenario) -> str:
    """What a well-behaved model would say: the scenario's text, else the first sentence of the prompt's passage [1]."""
    if scenario.text is not None:
        return scenario.text
    passage = _PASSAGE.search(_system_text(body))
    if passage is None:
        return UNSUPPORTED
    sentence = _SENTENCE.match(passage[1].strip())
    return f"{sentence[0] if sentence else passage[1].strip()} [1]"


def pieces_of(text: str) -> list[str]:
    """A text in pieces of about a token."""
    return _PIECE.findall(text)


def _system_text(body: dict[str, Any]) -> str:
    system = body.get("system") or body.get("messages", [{}])[0].get("content", "")
    return system if isinstance(system, str) else "\n".join(part.get("text", "") for part in system)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Wire:
    """One answer in a provider's protocol: its opening events, one event a piece, its closing events."""

    opening: bytes
    pieces: tuple[bytes, ...]
    closing: bytes


def wire(provider: Provider, body: dict[str, Any], scenario: Scenario, input_tokens: int) -> Wire:
    """The events of a whole answer."""
    pieces = [] if scenario.kind == "blank" else pieces_of(answer_text(body, scenario))
    return (_openai if provider == "openai" else _anthropic)(body, scenario, pieces, input_tokens)


def _openai(body: dict[str, Any], scenario: Scenario, pieces: list[str], input_tokens: int) -> Wire:
    head = b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":%s,' % _json(body["model"])
    choice = head + b'"choices":[{"index":0,"delta":%s,"finish_reason":%s}]}\n\n'
    closing = choice % (b"{}", _json(scenario.finish or "stop"))
    if (body.get("stream_options") or {}).get("include_usage"):
        usage = {
            "prompt_tokens": input_tokens,
            "completion_tokens": len(pieces),
            "total_tokens": input_tokens + len(pieces),
            "prompt_tokens_details": {"cached_tokens": scenario.cached_tokens},
        }
        closing += head + b'"choices":[],"usage":%s}\n\n' % _json(usage)
    return Wire(
        opening=choice % (b'{"role":"assistant","content":""}', b"null"),
        pieces=tuple(choice % (b'{"content":%s}' % _json(piece), b"null") for piece in pieces),
        closing=closing + b"data: [DONE]\n\n",
    )


def _event(name: str, data: dict[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), _json({"type": name, **data}))


def _anthropic(body: dict[str, Any], scenario: Scenario, pieces: list[str], input_tokens: int) -> Wire:
    cached = scenario.cached_tokens
    usage = {
        "input_tokens": max(input_tokens - cached, 0),
        "cache_read_input_tokens": cached,
        "cache_creation_input_tokens": 0,
        "output_tokens": 1,
    }
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"], "content": []}
    start = _event("message_start", {"message": {**message, "stop_reason": None, "usage": usage}})
    index = 1 if scenario.thinking else 0
    stop = {"delta": {"stop_reason": scenario.finish or "end_turn", "stop_sequence": None}}
    return Wire(
        opening=start
        + (b"".join(_thinking()) if scenario.thinking else b"")
        + _event("content_block_start", {"index": index, "content_block": {"type": "text", "text": ""}})
        + _event("ping", {}),
        pieces=tuple(
            _event("content_block_delta", {"index": index, "delta": {"type": "text_delta", "text": piece}})
            for piece in pieces
        ),
        closing=_event("content_block_stop", {"index": index})
        + _event("message_delta", {**stop, "usage": {"output_tokens": len(pieces)}})
        + _event("message_stop", {}),
    )


def _thinking() -> Iterator[bytes]:
    yield _event("content_block_start", {"index": 0, "content_block": {"type": "thinking", "thinking": ""}})
    yield _event("content_block_delta", {"index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm."}})
    yield _event("content_block_stop", {"index": 0})


def sign_of_life(provider: Provider) -> bytes:
    """What keeps a connection open and says nothing."""
    return b": keep-alive\n\n" if provider == "openai" else _event("ping", {})


def error_event(provider: Provider, error: str) -> bytes:
    """An error in the middle of a stream that began well. Its message echoes what no log may show."""
    said = "the customer wrote SECRET-WORDS with key sk-SECRET-KEY"
    if provider == "openai":
        return b"data: %s\n\n" % _json({"error": {"message": said, "type": error or "server_error", "code": None}})
    return _event("error", {"error": {"type": error or "overloaded_error", "message": said}})


def error_body(provider: Provider, status: int, error: str = "", said: str = "") -> bytes:
    """The body of an error response, with a message that echoes what no log may show."""
    error = error or STATUS_ERRORS[provider].get(status, "server_error" if provider == "openai" else "api_error")
    said = said or "the customer wrote SECRET-WORDS with key sk-SECRET-KEY"
    if provider == "openai":
        return _json({"error": {"message": said, "type": error, "param": None, "code": error}})
    return _json({"type": "error", "error": {"type": error, "message": said}, "request_id": "req_1"})
