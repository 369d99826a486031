"""The provider server as a process of its own, as the end-to-end tests and the benchmarks use it."""

from __future__ import annotations

import asyncio
import json
import sys

import httpx

from tests.llm.provider_wire import SCENARIOS, Scenario

BODY = {"model": "m", "stream": True, "messages": [{"role": "system", "content": "Hello"}]}


async def test_it_runs_as_a_process_and_is_told_what_to_play() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.llm.provider_server", "--scenario", '{"text": "First. [1]"}'),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        addresses = json.loads(await process.stdout.readline())
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{addresses['port']}", trust_env=False) as client:
            answer = await client.post("/v1/chat/completions", json=BODY)
            assert '"content":"First."' in answer.text
            assert answer.text.endswith("data: [DONE]\n\n")
            control = await client.post("/control", json={"anthropic": "overloaded", "openai": {"text": "Second."}})
            assert control.json()["requests"][0]["body"] == BODY
            assert (await client.post("/v1/messages", json=BODY)).status_code == 529
            assert '"Second."' in (await client.post("/v1/chat/completions", json=BODY)).text
            assert (await client.post("/control", json={"clear": True})).json()["requests"] == []
            assert (await client.post("/control", json={"scenario": {"colour": 1}})).status_code == 400
            assert (await client.post("/control", json={"scenario": "unheard of"})).status_code == 400
    finally:
        process.terminate()
        assert await process.wait() == 0


def test_a_scenario_may_start_from_a_named_one() -> None:
    assert Scenario.parse({"name": "unavailable", "times": 2}).times == 2
    assert Scenario.parse({"name": "unavailable", "headers": [["Retry-After", "1"]]}).headers == (("Retry-After", "1"),)
    assert Scenario.parse("typing") == SCENARIOS["typing"]
