"""Making generators from the settings, and the breaker before each."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import aclosing
from typing import Any

import pytest
from pydantic import SecretStr

from helios.llm.base import Finished, GeneratorError, TextDelta
from helios.llm.breaker import Breaker, GuardedGenerator, Verdict
from helios.llm.chain import GeneratorConfigError, build, build_chain
from tests.llm.conftest import make_generator, make_prompt, make_settings
from tests.llm.provider_server import ProviderServer
from tests.llm.provider_wire import Provider, Scenario


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_each_name_makes_its_generator(server: ProviderServer) -> None:
    for name, local in (("openai", False), ("anthropic", False), ("offline", True)):
        generator = build(name, make_settings(server))
        assert (generator.name, generator.local) == (name, local)
        await generator.close()


async def test_the_chain_keeps_its_order(server: ProviderServer) -> None:
    chain = build_chain(make_settings(server, llm="openai,offline,anthropic"))
    assert [generator.name for generator in chain] == ["openai", "offline", "anthropic"]
    for generator in chain:
        await generator.close()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"llm": ("gemini",)}, "unknown generator 'gemini'"),
        ({"llm": ("openai", "openai")}, "twice"),
        ({"llm": ("openai",), "openai_api_key": SecretStr(" ")}, "OPENAI_API_KEY"),
        ({"llm": ("anthropic",), "anthropic_api_key": SecretStr("")}, "ANTHROPIC_API_KEY"),
        ({"llm": ("openai",), "openai_api_key": SecretStr("sk-SECRET\nx")}, "OPENAI_API_KEY"),
        ({"llm": ("openai",), "openai_api_key": SecretStr("sk-SECRETé")}, "OPENAI_API_KEY"),
    ],
)
def test_a_wrong_setting_is_told_by_its_variable_and_never_by_a_key(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(GeneratorConfigError) as caught:
        build_chain(make_settings(**changed))
    assert said in str(caught.value)
    assert "SECRET" not in repr(caught.value)


def test_the_package_costs_little_until_a_generator_is_built() -> None:
    code = "import sys, helios.llm.chain; print(sorted({'openai', 'anthropic', 'numpy', 'httpx2'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_breaker_opens_after_failures_in_a_row() -> None:
    breaker = Breaker(failures=2, open_s=30, clock=Clock())
    verdicts: tuple[Verdict, ...] = ("failed", "healthy", "failed", "undecided", "failed")
    for verdict in verdicts:
        assert breaker.enter() == "call"
        breaker.leave("call", verdict)
    assert breaker.enter() == 30
    assert breaker.state == "open"


def test_after_the_pause_one_call_at_a_time_tries() -> None:
    clock = Clock()
    breaker = Breaker(failures=1, open_s=30, clock=clock)
    breaker.leave("call", "failed")
    clock.now += 10
    assert breaker.enter() == 20
    clock.now += 20
    assert breaker.enter() == "try"
    assert breaker.enter() == 30, "a second one waits"
    breaker.leave("try", "undecided")
    assert breaker.enter() == "try", "one that was stopped lets the next try"
    breaker.leave("try", "failed")
    assert breaker.enter() == 30
    clock.now += 30
    assert breaker.enter() == "try"
    breaker.leave("try", "healthy")
    assert breaker.state == "closed"


def test_a_late_failure_does_not_keep_it_open_for_longer() -> None:
    clock = Clock()
    breaker = Breaker(failures=1, open_s=30, clock=clock)
    breaker.leave("call", "failed")
    clock.now += 25
    breaker.leave("call", "failed")
    assert breaker.enter() == 5


async def guarded(server: ProviderServer, provider: Provider, clock: Clock) -> GuardedGenerator:
    return GuardedGenerator(make_generator(provider, make_settings(server)), Breaker(2, 30, clock))


async def outcome(generator: GuardedGenerator) -> str:
    """The kind of failure of one answer, or its text."""
    text = ""
    try:
        async for piece in generator.stream(make_prompt()):
            text += piece.text if isinstance(piece, TextDelta) else ""
    except GeneratorError as error:
        return f"{error.kind} {error.retryable} {error.retry_after_s}"
    return text


async def test_a_dead_provider_is_left_alone_and_then_tried_again(provider: Provider, server: ProviderServer) -> None:
    clock = Clock()
    generator = await guarded(server, provider, clock)
    server.play(Scenario("status", status=500, times=2))
    assert [await outcome(generator) for _ in range(3)] == ["unavailable True None"] * 2 + ["unavailable False 30.0"]
    assert len(server.requests) == 2, "the third turn did not wait for it"
    clock.now += 30
    assert await outcome(generator) == "Replacing a card costs 5 euros. [1]"
    assert generator.breaker.state == "closed"
    await generator.close()


@pytest.mark.parametrize("scenario", ["rate_limited", "unauthorized"])
async def test_a_provider_that_answers_is_not_dead(provider: Provider, server: ProviderServer, scenario: str) -> None:
    generator = await guarded(server, provider, Clock())
    server.play(scenario)
    for _ in range(3):
        await outcome(generator)
    assert generator.breaker.state == "closed"
    assert len(server.requests) == 3
    await generator.close()


async def test_a_try_that_is_stopped_gives_way_to_the_next(provider: Provider, server: ProviderServer) -> None:
    clock = Clock()
    generator = await guarded(server, provider, clock)
    generator.breaker.leave("call", "failed")
    generator.breaker.leave("call", "failed")
    clock.now += 30
    server.play("hang")
    stopped = asyncio.create_task(outcome(generator))
    await server.wait_for(lambda s: bool(s.requests))
    stopped.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopped
    await server.wait_for(lambda s: s.requests[0].disconnected)
    server.play("answer")
    assert await outcome(generator) == "Replacing a card costs 5 euros. [1]"
    await generator.close()


async def test_a_reader_that_stops_after_the_end_counts_as_healthy(provider: Provider, server: ProviderServer) -> None:
    generator = await guarded(server, provider, Clock())
    generator.breaker.leave("call", "failed")
    async with aclosing(generator.stream(make_prompt())) as pieces:
        async for piece in pieces:
            if isinstance(piece, Finished):
                break
    generator.breaker.leave("call", "failed")
    assert generator.breaker.state == "closed", "the failures were not in a row"
    await generator.close()
