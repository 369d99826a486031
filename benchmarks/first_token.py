"""From a provider's first token to the first words on the client's screen, through the public API's stream.

What lies between is two things: waiting until a window (a sentence or clause) is complete and may be checked, which is
policy and is the provider's time; and what we add to it: the checks, the frame, and the way to the client.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import httpx

from activities.review import Gate, Standard
from benchmarks.environment import Stack
from benchmarks.load import Talk
from benchmarks.questions import question
from helios.detection.output import Context
from tests.llm.provider_wire import pieces_of

SPEEDS = {"50 tokens/s": 0.02, "at once": 0.0}


@dataclass(frozen=True, slots=True)
class FirstToken:
    """Milliseconds, one value a turn."""

    speed: str
    whole: list[float]
    """First token written by the provider → first delta at the client."""
    window: list[float]
    """Of these: until the provider had written what the first window needs."""

    @property
    def overhead(self) -> list[float]:
        return [whole - window for whole, window in zip(self.whole, self.window, strict=True)]


async def measure_first_token(stack: Stack, provider_url: str, turns: int) -> list[FirstToken]:
    """One conversation at a time: this is about delay, not about load."""
    control = provider_url.removesuffix("/v1") + "/control"
    talks = await stack.talks(len(SPEEDS))
    results = []
    async with httpx.AsyncClient(base_url=stack.described["api_url"], timeout=60) as client:
        for talk, (speed, delay_s) in zip(talks, SPEEDS.items(), strict=True):
            await client.post(control, json={"scenario": {"delay_s": delay_s}})
            whole, window = [], []
            for n in range(turns + 2):
                await client.post(control, json={"clear": True})
                heard_at, text = await _first_delta(client, talk, question(n))
                request = (await client.get(control)).json()["requests"][0]
                written: list[float] = request["written"]
                if n >= 2:  # the first turns warm up
                    whole.append(1000 * (heard_at - written[0]))
                    window.append(1000 * (written[_pieces_needed(text)] - written[0]))
            results.append(FirstToken(speed, whole, window))
        await client.post(control, json={"scenario": "answer"})
    return results


async def _first_delta(client: httpx.AsyncClient, talk: Talk, content: str) -> tuple[float, str]:
    """When the answer's first delta arrived, and the whole answer."""
    headers = {"Authorization": f"Bearer {talk.token}", "Accept": "text/event-stream"}
    path, heard_at, words, event = f"/v1/conversations/{talk.conversation_id}/messages", 0.0, "", ""
    async with client.stream("POST", path, json={"content": content}, headers=headers) as answer:
        async for line in answer.aiter_lines():
            if line.startswith("event: "):
                event = line[7:]
            elif line.startswith("data: ") and event == "message.delta":
                heard_at = heard_at or time.monotonic()
                words += str(httpx.Response(200, content=line[6:]).json()["text"])
    return heard_at, words


def _pieces_needed(answer: str) -> int:
    """The index of the piece with which the answer's first window is complete: the gate itself says so."""
    gate = Gate(
        Standard(
            Context(passages=(answer,), question="", situations=(), allowed_link_domains=(), language="en"), "en", 8
        )
    )
    pieces = pieces_of(answer)
    for n, piece in enumerate(pieces):
        if gate.feed(piece):
            return n
    return len(pieces) - 1
