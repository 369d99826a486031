"""What reaches a provider, and how a server that knows less is spoken to."""

from __future__ import annotations

from typing import Any

import pytest

from helios.llm.base import Finished, GeneratorError, TextDelta
from helios.llm.prompting import render
from helios.llm.remote import SdkGenerator
from tests.llm.conftest import FAKE_KEY, make_generator, make_prompt, make_settings
from tests.llm.provider_server import ProviderServer
from tests.llm.provider_wire import Scenario


async def ask(generator: SdkGenerator) -> tuple[str, Finished]:
    *deltas, end = [piece async for piece in generator.stream(make_prompt())]
    assert isinstance(end, Finished)
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)), end


async def body_of(provider: Any, server: ProviderServer, **settings: Any) -> dict[str, Any]:
    """The body of the request that one answer makes."""
    generator = make_generator(provider, make_settings(server, **settings))
    await ask(generator)
    await generator.close()
    return server.requests[-1].body


async def test_openai_gets_the_stable_part_first(server: ProviderServer) -> None:
    body = await body_of("openai", server)
    rendered = render(make_prompt())
    system, *messages = body.pop("messages")
    assert system == {"role": "system", "content": f"{rendered.rules}\n{rendered.context}"}
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert len(body.pop("prompt_cache_key")) == 32
    assert body == {
        "model": "gpt-5-mini",
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_completion_tokens": 2600,
        "reasoning_effort": "minimal",
    }
    assert server.requests[-1].headers["authorization"] == f"Bearer {FAKE_KEY}"


async def test_a_model_that_does_not_think_gets_no_room_for_it(server: ProviderServer) -> None:
    body = await body_of("openai", server, openai_model="gpt-4.1-mini")
    assert body["max_completion_tokens"] == 600
    assert "reasoning_effort" not in body


async def test_anthropic_gets_the_rules_marked_for_its_cache(server: ProviderServer) -> None:
    body = await body_of("anthropic", server)
    rendered = render(make_prompt())
    assert body["system"] == [
        {"type": "text", "text": rendered.rules, "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": rendered.context},
    ]
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert (body["max_tokens"], body["stream"]) == (600, True)
    assert "thinking" not in body
    assert server.requests[-1].headers["authorization"] == f"Bearer {FAKE_KEY}"


async def test_a_claude_that_thinks_by_itself_is_told_not_to(server: ProviderServer) -> None:
    body = await body_of("anthropic", server, anthropic_model="claude-haiku-5-5")
    assert body["thinking"] == {"type": "disabled"}
    assert body["max_tokens"] == 2600


@pytest.mark.parametrize(
    ("refuse", "named"),
    [
        (("stream_options",), True),
        (("max_completion_tokens", "reasoning_effort", "prompt_cache_key", "stream_options"), True),
        (("max_completion_tokens",), False),
    ],
)
async def test_an_older_server_is_asked_without_what_it_refuses_and_so_from_then_on(
    server: ProviderServer, refuse: tuple[str, ...], named: bool
) -> None:
    server.play(Scenario(refuse=refuse, refuse_in_words=named))
    generator = make_generator("openai", make_settings(server))
    text, end = await ask(generator)
    assert text == "Replacing a card costs 5 euros. [1]"
    assert len(server.requests) == (1 + len(refuse) if named else 2)
    body = server.requests[-1].body
    assert not set(refuse) & set(body)
    assert body.get("max_tokens") == (2600 if "max_completion_tokens" in refuse else None)
    if "stream_options" in refuse:
        assert (end.input_tokens, end.output_tokens) == (0, 0), "such a server counts nothing"
    before = len(server.requests)
    await ask(generator)
    assert len(server.requests) == before + 1, "learned"
    await generator.close()


async def test_a_claude_that_must_think_is_asked_with_room_for_it(server: ProviderServer) -> None:
    server.play(Scenario(refuse=("thinking",), thinking=True))
    body = await body_of("anthropic", server, anthropic_model="claude-opus-5-5")
    assert "thinking" not in body
    assert body["output_config"] == {"effort": "low"}


async def test_a_refusal_that_is_not_about_parameters_teaches_nothing(server: ProviderServer) -> None:
    server.play(Scenario("status", status=400, times=2))
    generator = make_generator("openai", make_settings(server))
    with pytest.raises(GeneratorError):
        await ask(generator)
    _, end = await ask(generator)
    assert end.input_tokens > 0, "the counts are asked for again"
    await generator.close()
