"""What the semantic cache saves: `python -m benchmarks.semantic_cache` writes docs/semantic-cache-benchmark.md.

On a stack of its own, with a provider on loopback that writes 50 tokens a second. New customers, one after another, ask
the same question in two phrasings over the public API; with the cache off each is answered by the model, with it on all
but the first get what the first got. Times are from sending the message.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.environment import Stack, provider, running_stack
from benchmarks.machine import facts
from benchmarks.measures import percentile
from helios.settings import PROJECT

PAGE = PROJECT / "docs" / "semantic-cache-benchmark.md"
QUESTIONS = ("What does it cost to send money abroad?", "how much does it cost to send money abroad")
ANSWER = (
    "Sending money abroad costs 5 dollars plus 0.5 percent of the amount, at most 40 dollars. [1] Meridian Bank shows"
    " you the fee, the exchange rate and the amount the recipient will get before you confirm. [1] Meridian Bank"
    " converts money at the mid-market rate plus a margin of 1.2 percent. [6] You can cancel a transfer abroad free of"
    " charge within 30 minutes of confirming it, and you then get back the whole amount including the fee. [6]"
)
TOKEN_S = 0.02
SHOWN = ("Date", "Command", "Commit", "Processor", "Memory", "Load average before", "Python", "Temporal")
WARMING = 2


@dataclass(frozen=True, slots=True)
class Turn:
    first_ms: float
    whole_ms: float


@dataclass(frozen=True, slots=True)
class Measured:
    name: str
    turns: list[Turn]
    calls: int
    tokens: int
    cost_micro_usd: int

    def row(self) -> list[str]:
        first, whole = [each.first_ms for each in self.turns], [each.whole_ms for each in self.turns]
        told = [f"{percentile(values, at):.0f}" for values in (first, whole) for at in (0.5, 0.95)]
        return [self.name, str(len(self.turns)), *told, str(self.calls), str(self.tokens), str(self.cost_micro_usd)]


async def one_turn(stack: Stack, client: httpx.AsyncClient, content: str) -> Turn:
    """A newcomer's question over the stream of its own request. Raises where it is anything but answered."""
    (talk,) = await stack.talks(1)
    headers = {"Authorization": f"Bearer {talk.token}", "Accept": "text/event-stream"}
    path, first, event = f"/v1/conversations/{talk.conversation_id}/messages", 0.0, ""
    began = time.perf_counter()
    async with client.stream("POST", path, json={"content": content}, headers=headers) as answer:
        async for line in answer.aiter_lines():
            if line.startswith("event: "):
                event = line[7:]
            elif line.startswith("data: ") and event == "message.delta":
                first = first or time.perf_counter()
            elif line.startswith("data: ") and event == "turn.completed":
                assert json.loads(line[6:])["outcome"] == "answered", line
                break
    return Turn(1000 * (first - began), 1000 * (time.perf_counter() - began))


async def measure(stack: Stack, provider_url: str, turns: int, enabled: bool) -> Measured:
    control = provider_url.removesuffix("/v1") + "/control"
    await switch(stack, enabled)
    async with httpx.AsyncClient(base_url=stack.described["api_url"], timeout=60) as client:
        await client.post(control, json={"scenario": {"delay_s": TOKEN_S, "text": ANSWER}})
        for n in range(WARMING):
            await one_turn(stack, client, QUESTIONS[n % 2])
        await client.post(control, json={"clear": True})
        first = await spent(stack)
        measured = [await one_turn(stack, client, QUESTIONS[n % 2]) for n in range(turns)]
        calls = len((await client.get(control)).json()["requests"])
        tokens, cost = (after - before for after, before in zip(await spent(stack), first, strict=True))
    return Measured("with the cache" if enabled else "without", measured, calls, tokens, cost)


async def switch(stack: Stack, enabled: bool) -> None:
    demo, tenant_id = stack.described["demo"], await stack.tenant_id()
    async with httpx.AsyncClient(base_url=stack.described["api_url"], timeout=30) as client:
        login = {"tenant": demo["tenant"], **demo["users"]["admin"]}
        token = (await client.post("/v1/auth/login", json=login)).raise_for_status().json()["access_token"]
        path, headers = f"/v1/tenants/{tenant_id}/settings", {"Authorization": f"Bearer {token}"}
        version = (await client.get(path, headers=headers)).headers["etag"]
        body = {"semantic_cache": {"enabled": enabled}}
        (await client.patch(path, json=body, headers={**headers, "If-Match": version})).raise_for_status()


async def spent(stack: Stack) -> tuple[int, int]:
    """Tokens, and millionths of a US dollar at list prices, of all turns so far."""
    (row,) = await stack.query(
        "SELECT coalesce(sum(input_tokens + output_tokens), 0)::int AS tokens, "
        "coalesce(sum(cost_micro_usd), 0)::int AS cost FROM analytics"
    )
    return row["tokens"], row["cost"]


async def run(home: Path, turns: int) -> list[Measured]:
    async with provider() as (_, url):
        env = {"HELIOS_LLM": "openai", "OPENAI_API_KEY": "sk-not-a-key", "OPENAI_BASE_URL": url}
        async with running_stack(home, env) as stack:
            return [await measure(stack, url, turns, enabled) for enabled in (False, True)]


def page(measured: Sequence[Measured], command: str) -> str:
    without, with_it = measured
    spared = percentile([each.whole_ms for each in without.turns], 0.5) - percentile(
        [each.whole_ms for each in with_it.turns], 0.5
    )
    head = (
        "|  | turns | first words p50 ms | p95 | whole answer p50 ms | p95 | calls of the provider | tokens |"
        " millionths of a dollar |\n|---|---|---|---|---|---|---|---|---|\n"
    )
    told = "".join(f"| {' | '.join(each.row())} |\n" for each in measured)
    return (
        "# What the semantic cache saves, measured\n\nWritten by `python -m benchmarks.semantic_cache`. How it works is"
        f" in [the semantic cache](semantic-cache.md).\n\n|  |  |\n|---|---|\n{facts_table(command)}\n"
        "One customer after another, each new, asks one of two phrasings of a question; the provider, on loopback"
        f" and with no network before it, writes 50 tokens/s. Its answer has {len(ANSWER.split())} words.\n\n"
        f"{head}{told}\nAn answer that is given again is there {spared / 1000:.1f} s sooner.\n"
    )


def facts_table(command: str) -> str:
    machine = facts(command)
    return "".join(f"| {name} | {machine[name]} |\n" for name in SHOWN)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--out", type=Path, default=PAGE, metavar="FILE")
    args = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="helios-cache-"))
    try:
        measured = asyncio.run(run(home / "home", args.turns))
    finally:
        shutil.rmtree(home, ignore_errors=True)
    args.out.write_text(page(measured, "python -m benchmarks.semantic_cache"), encoding="utf-8")
    print(f"Written: {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
