"""Both providers' generators against a server that speaks their protocols, well and badly."""

from __future__ import annotations

import asyncio
import logging
import traceback
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from helios.llm.base import Finished, GeneratorError, Prompt, TextDelta
from tests.llm.conftest import FAKE_KEY, make_generator, make_prompt, make_settings, passage
from tests.llm.provider_server import ProviderServer, provider_server
from tests.llm.provider_wire import UNSUPPORTED, Provider, Scenario

ANSWER = "Replacing a card costs 5 euros. [1]"


async def ask(provider: Provider, server: ProviderServer, prompt: Prompt | None = None, **settings: Any) -> list[Any]:
    """Everything one answer yields."""
    generator = make_generator(provider, make_settings(server, **settings))
    try:
        return [piece async for piece in generator.stream(prompt or make_prompt())]
    finally:
        await generator.close()


async def failure(provider: Provider, server: ProviderServer, **settings: Any) -> GeneratorError:
    """The error that one answer ends in."""
    with pytest.raises(GeneratorError) as caught:
        await ask(provider, server, **settings)
    return caught.value


def text_of(pieces: list[Any]) -> str:
    return "".join(piece.text for piece in pieces if isinstance(piece, TextDelta))


@pytest.mark.parametrize("delay_s", [0.0, 0.001])
async def test_an_answer_arrives_in_pieces_and_ends_once(
    provider: Provider, server: ProviderServer, delay_s: float
) -> None:
    server.play(Scenario(delay_s=delay_s, cached_tokens=40))
    *deltas, end = await ask(provider, server)
    assert len(deltas) == 7
    assert all(isinstance(delta, TextDelta) for delta in deltas)
    assert text_of(deltas) == ANSWER
    raw = server.requests[0].raw
    model = {"openai": "gpt-5-mini", "anthropic": "claude-haiku-4-5"}[provider]
    assert end == Finished(
        model=model, input_tokens=len(raw) // 4, output_tokens=7, cached_input_tokens=40, supported=True
    )


async def test_without_passages_the_answer_counts_as_unsupported(provider: Provider, server: ProviderServer) -> None:
    *deltas, end = await ask(provider, server, make_prompt(passages=()))
    assert text_of(deltas) == UNSUPPORTED
    assert end.supported is False


async def test_a_citation_of_no_passage_is_no_support(provider: Provider, server: ProviderServer) -> None:
    server.play(Scenario(text="It is free. [4]"))
    assert (await ask(provider, server))[-1].supported is False


async def test_text_of_every_script_arrives_unchanged(provider: Provider, server: ProviderServer) -> None:
    text = 'Größe: 5 € – ¿sí? 日本語 🙂 "quoted" \\n <EMAIL_1> [1]'
    server.play(Scenario(text=text, delay_s=0.001))
    assert text_of(await ask(provider, server)) == text


async def test_what_thinks_before_it_writes_gives_only_its_text(server: ProviderServer) -> None:
    server.play(Scenario(thinking=True))
    assert text_of(await ask("anthropic", server)) == ANSWER


@pytest.mark.parametrize(
    ("scenario", "kind", "retryable"),
    [
        ("rate_limited", "rate_limited", True),
        ("unavailable", "unavailable", True),
        ("overloaded", "unavailable", True),
        ("server_error", "unavailable", True),
        (Scenario("status", status=408), "timeout", True),
        (Scenario("status", status=504), "timeout", True),
        ("unauthorized", "rejected", False),
        (Scenario("status", status=403), "rejected", False),
        (Scenario("status", status=404), "rejected", False),
        (Scenario("status", status=413), "rejected", False),
        ("drop", "unavailable", True),
        ("cut", "cut_off", True),
        (Scenario("cut", after=0), "cut_off", True),
        ("end_early", "cut_off", True),
        ("garbage", "invalid_response", True),
        ("wrong_shape", "invalid_response", True),
        ("html", "invalid_response", True),
        ("json", "invalid_response", True),
        ("empty", "invalid_response", True),
        ("blank", "invalid_response", True),
        ("huge", "invalid_response", True),
        (Scenario("huge", text="a" * 50_000), "invalid_response", True),
        ("endless", "invalid_response", True),
        ("error_event", "unavailable", True),
        (Scenario("error_event", error="something_new"), "unavailable", True),
        (Scenario("error_event", error="invalid_request_error"), "rejected", False),
    ],
    ids=str,
)
async def test_each_failure_has_its_kind(
    provider: Provider, server: ProviderServer, scenario: str | Scenario, kind: str, retryable: bool
) -> None:
    server.play(scenario)
    error = await failure(provider, server)
    assert (error.kind, error.retryable) == (kind, retryable)
    assert len(server.requests) == 1, "no retry of the SDK's own"


@pytest.mark.parametrize("status", [400, 422])
async def test_a_bad_request_is_asked_again_only_without_optional_parameters(
    provider: Provider, server: ProviderServer, status: int
) -> None:
    server.play(Scenario("status", status=status))
    error = await failure(provider, server)
    assert (error.kind, error.retryable) == ("rejected", False)
    assert len(server.requests) == {"openai": 2, "anthropic": 1}[provider], "the Anthropic model takes no option"


@pytest.mark.parametrize("scenario", ["hang", "hang_mid", "chatter", "slow_headers"])
async def test_silence_is_a_timeout_and_ends_the_request(
    provider: Provider, server: ProviderServer, scenario: str
) -> None:
    server.play(scenario)
    error = await failure(provider, server, llm_first_token_timeout_s=0.3, llm_idle_timeout_s=0.2)
    assert (error.kind, error.retryable) == ("timeout", True)
    await server.wait_for(lambda s: s.requests[0].disconnected)


async def test_the_first_token_and_the_next_have_limits_of_their_own(
    provider: Provider, server: ProviderServer
) -> None:
    server.play(Scenario(first_delay_s=0.3))
    assert text_of(await ask(provider, server, llm_idle_timeout_s=0.1)) == ANSWER
    server.play(Scenario(delay_s=0.3))
    assert (await failure(provider, server, llm_idle_timeout_s=0.1)).kind == "timeout"


async def test_a_dripping_answer_ends_at_the_limit_of_the_whole(provider: Provider, server: ProviderServer) -> None:
    server.play(Scenario(delay_s=0.05, text="a " * 1000))
    assert (await failure(provider, server, llm_answer_timeout_s=0.3)).kind == "timeout"


async def test_an_answer_far_beyond_its_limit_is_invalid(provider: Provider, server: ProviderServer) -> None:
    server.play(Scenario(text="word " * 80))
    assert text_of(await ask(provider, server, make_prompt(max_output_tokens=20)))
    with pytest.raises(GeneratorError) as caught:
        await ask(provider, server, make_prompt(max_output_tokens=10))
    assert caught.value.kind == "invalid_response"


async def test_nobody_listens(provider: Provider) -> None:
    async with provider_server() as gone:
        pass
    error = await failure(provider, gone)
    assert (error.kind, error.retryable) == ("unavailable", True)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ((("Retry-After", "7"),), 7.0),
        ((("retry-after", "0.5"),), 0.5),
        ((("retry-after-ms", "1500"), ("Retry-After", "7")), 1.5),
        ((("Retry-After", "-3"),), 0.0),
        ((("Retry-After", "999999"),), 3600.0),
        ((("Retry-After", "soon"),), None),
        ((("Retry-After", "inf"),), None),
        ((), None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_the_wait_that_the_provider_asks_for(
    provider: Provider,
    server: ProviderServer,
    status: int,
    headers: tuple[tuple[str, str], ...],
    expected: float | None,
) -> None:
    server.play(Scenario("status", status=status, headers=headers))
    assert (await failure(provider, server)).retry_after_s == expected


async def test_a_date_to_wait_for_is_measured_by_the_providers_clock(
    provider: Provider, server: ProviderServer
) -> None:
    theirs = datetime.now(UTC) - timedelta(hours=5)
    date, after = (format_datetime(at, usegmt=True) for at in (theirs, theirs + timedelta(seconds=20)))
    server.play(Scenario("status", status=429, headers=(("Date", date), ("Retry-After", after))))
    assert (await failure(provider, server)).retry_after_s == 20.0
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    server.play(Scenario("status", status=429, headers=(("Retry-After", at),)))
    assert 50 < ((await failure(provider, server)).retry_after_s or 0) <= 60


async def test_an_empty_account_is_not_worth_a_retry(server: ProviderServer) -> None:
    server.play("quota")
    error = await failure("openai", server)
    assert (error.kind, error.retryable) == ("rate_limited", False)


@pytest.mark.parametrize(
    ("provider", "finish"), [("openai", "content_filter"), ("anthropic", "refusal")], indirect=["provider"]
)
async def test_the_providers_own_filter_is_a_rejection(provider: Provider, server: ProviderServer, finish: str) -> None:
    server.play(Scenario(finish=finish))
    error = await failure(provider, server)
    assert (error.kind, error.retryable) == ("rejected", False)


@pytest.mark.parametrize(
    ("provider", "finish"), [("openai", "length"), ("anthropic", "max_tokens")], indirect=["provider"]
)
async def test_an_answer_at_its_limit_shows_that_it_was_cut(
    provider: Provider, server: ProviderServer, finish: str
) -> None:
    server.play(Scenario(finish=finish))
    pieces = await ask(provider, server)
    assert text_of(pieces) == ANSWER + " …"
    assert pieces[-1].supported
    server.play(Scenario("blank", finish=finish))
    error = await failure(provider, server)
    assert (error.kind, error.retryable) == ("invalid_response", False)


@pytest.mark.parametrize(
    ("provider", "finish"), [("openai", "tool_calls"), ("anthropic", "tool_use")], indirect=["provider"]
)
async def test_a_tool_that_nobody_offered_is_invalid(provider: Provider, server: ProviderServer, finish: str) -> None:
    server.play(Scenario(finish=finish))
    assert (await failure(provider, server)).kind == "invalid_response"


async def test_closing_the_iterator_hangs_up_at_once(provider: Provider, server: ProviderServer) -> None:
    server.play(Scenario(delay_s=0.05, text="a " * 1000))
    generator = make_generator(provider, make_settings(server))
    async with aclosing(generator.stream(make_prompt())) as pieces:
        await anext(pieces)
    await server.wait_for(lambda s: s.requests[0].disconnected, timeout_s=1)
    await generator.close()


@pytest.mark.parametrize("scenario", ["hang", "hang_mid"])
async def test_cancelling_the_reader_hangs_up_at_once(
    provider: Provider, server: ProviderServer, scenario: str
) -> None:
    server.play(scenario)
    reading = asyncio.create_task(ask(provider, server))
    await server.wait_for(lambda s: bool(s.requests))
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await server.wait_for(lambda s: s.requests[0].disconnected, timeout_s=1)


async def test_connections_are_used_again(provider: Provider, server: ProviderServer) -> None:
    generator = make_generator(provider, make_settings(server))
    for _ in range(3):
        assert text_of([piece async for piece in generator.stream(make_prompt())]) == ANSWER
    assert len(server.connections) == 1
    await generator.close()


async def test_many_answers_at_once(provider: Provider, server: ProviderServer) -> None:
    server.play(Scenario(delay_s=0.001))
    generator = make_generator(provider, make_settings(server))

    async def one(number: int) -> str:
        prompt = make_prompt(passages=(passage(f"Fee {number} is due. More."),))
        return text_of([piece async for piece in generator.stream(prompt)])

    assert await asyncio.gather(*map(one, range(30))) == [f"Fee {n} is due. [1]" for n in range(30)]
    await generator.close()


async def test_a_redirect_is_not_followed(provider: Provider, server: ProviderServer) -> None:
    async with provider_server() as other:
        server.play(Scenario("redirect", location=f"{other.anthropic_base_url}/v1/messages"))
        assert (await failure(provider, server)).kind == "rejected"
        assert not other.requests


@pytest.mark.parametrize(
    "scenario", ["rate_limited", "unauthorized", "bad_request", "error_event", "cut", "garbage", "wrong_shape", "hang"]
)
async def test_an_error_leads_to_no_word_and_no_key(provider: Provider, server: ProviderServer, scenario: str) -> None:
    server.play(scenario)
    error = await failure(provider, server, llm_first_token_timeout_s=0.3)
    assert error.__cause__ is None
    assert error.__context__ is None
    shown = f"{error!r} {error} {vars(error)} {''.join(traceback.format_exception(error))}"
    assert "SECRET" not in shown.replace("SECRET-WORDS: what", "")  # the traceback shows this file's lines
    assert FAKE_KEY not in shown


async def test_logs_at_debug_hold_no_word_and_no_key(
    provider: Provider, server: ProviderServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        await ask(provider, server)
        server.play("bad_request")
        await failure(provider, server)
    assert "SECRET" not in caplog.text


def test_a_generators_repr_holds_no_key(provider: Provider) -> None:
    generator = make_generator(provider, make_settings())
    assert FAKE_KEY not in f"{generator!r} {generator._dialect!r} {generator._settings!r}"
