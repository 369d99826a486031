"""What a rush of sign-ins costs the other routes, and whether the time of an answer tells who has an account.

`python -m benchmarks.sign_in [--json]`, on a stack of its own. Two questions:

- **Rush**: a customer reads a conversation, alone and while 200 sign-ins are under way from another process. The p99
  beside them should stay within twice the p99 alone: Argon2 runs in a bounded pool of low priority.
- **Timing**: wrong passwords for accounts that exist and that do not, in turns. The Mann-Whitney U test says how likely
  two samples of one distribution differ so much (two-sided, normal approximation); beside it the chance that an answer
  about an account takes longer than one about none, which is .5 where time tells nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from benchmarks.environment import Stack, child, running_stack
from benchmarks.measures import percentile

LOGINS = 200
READS_ALONE = 400
ROUNDS = 60
FREE_FAILURES = 4
"""Wrong passwords in a row that do not shut an account."""


@dataclass(frozen=True, slots=True)
class Rush:
    """Times in ms. `refused`: answered 503 rather than late. `seconds`: how long the sign-ins took together."""

    logins: int
    refused: int
    seconds: float
    alone_p50: float
    alone_p99: float
    beside_p50: float
    beside_p99: float

    @property
    def ratio(self) -> float:
        return self.beside_p99 / self.alone_p99


@dataclass(frozen=True, slots=True)
class Timing:
    """Medians in ms; `p` of the Mann-Whitney U test, `superiority` as in the module's text."""

    samples: int
    known_median: float
    unknown_median: float
    p: float
    superiority: float


def mann_whitney(one: Sequence[float], other: Sequence[float]) -> tuple[float, float]:
    """Two-sided p and U / (n·m). Mann and Whitney, 1947; times in nanoseconds have no ties worth a correction."""
    ranked = sorted((value, source) for source, values in enumerate((one, other)) for value in values)
    n, m = len(one), len(other)
    rank_sum = sum(place for place, (_, source) in enumerate(ranked, 1) if source == 0)
    u = rank_sum - n * (n + 1) / 2
    z = (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
    return math.erfc(abs(z) / math.sqrt(2)), u / (n * m)


async def took_ms(request: Callable[[], Awaitable[httpx.Response]], *statuses: int) -> float:
    began = time.perf_counter()
    answer = await request()
    took = 1000 * (time.perf_counter() - began)
    if answer.status_code not in statuses:
        raise RuntimeError(f"{answer.request.url.path} answered {answer.status_code}")
    return took


async def measure_rush(stack: Stack) -> Rush:
    (talk,) = await stack.talks(1)
    headers = {"Authorization": f"Bearer {talk.token}"}
    async with httpx.AsyncClient(base_url=stack.described["api_url"], timeout=30) as client:

        async def read() -> float:
            return await took_ms(lambda: client.get(f"/v1/conversations/{talk.conversation_id}", headers=headers), 200)

        for _ in range(50):
            await read()
        alone = [await read() for _ in range(READS_ALONE)]
        demo = stack.described["demo"]
        bodies = [{"tenant": demo["tenant"], **user} for user in demo["users"].values()]
        async with child("benchmarks.sign_in", "--rush", stack.described["api_url"], env={}) as rush:
            rush.ask(bodies=bodies, logins=LOGINS)
            await rush.hear("begin")
            ended = asyncio.create_task(rush.hear("end"))
            beside = []
            while not ended.done():
                beside.append(await read())
            end = await ended
    return Rush(LOGINS, end["refused"], end["seconds"], *_both(alone), *_both(beside))


def _both(values: Sequence[float]) -> tuple[float, float]:
    return percentile(values, 0.50), percentile(values, 0.99)


async def rush(url: str) -> None:
    """The process that signs in: all at once, each with its own connection."""
    asked = json.loads(await asyncio.to_thread(sys.stdin.readline))
    limits = httpx.Limits(max_connections=asked["logins"])
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=limits) as client:
        print(json.dumps({"event": "begin"}), flush=True)
        began = time.perf_counter()
        bodies = [asked["bodies"][n % len(asked["bodies"])] for n in range(asked["logins"])]
        answers = await asyncio.gather(*(client.post("/v1/auth/login", json=body) for body in bodies))
        seconds = time.perf_counter() - began
    refused = sum(answer.status_code == 503 for answer in answers)
    if {answer.status_code for answer in answers} - {200, 503}:
        raise RuntimeError(f"answers were {sorted({answer.status_code for answer in answers})}")
    print(json.dumps({"event": "end", "seconds": seconds, "refused": refused}), flush=True)


async def measure_timing(stack: Stack) -> Timing:
    """In turns, so that both meet the same machine. After four failures a success forgets them, so nothing is shut."""
    demo = stack.described["demo"]
    users = list(demo["users"].values())
    known: list[float] = []
    unknown: list[float] = []
    for number in range(ROUNDS):
        user = users[number % len(users)]
        nobody = f"{uuid4().hex[:12]}@{user['email'].partition('@')[2]}"
        # No cookies: a known device would be counted in another way than nobody's.
        async with httpx.AsyncClient(base_url=stack.described["api_url"], timeout=30) as client:

            async def wrong(email: str, http: httpx.AsyncClient = client) -> float:
                body = {"tenant": demo["tenant"], "email": email, "password": "not the password of anybody"}
                return await took_ms(lambda: http.post("/v1/auth/login", json=body), 401)

            await client.get("/healthz")  # the connection is there before the clock runs
            for _ in range(FREE_FAILURES):
                known.append(await wrong(user["email"]))
                unknown.append(await wrong(nobody))
            await took_ms(lambda: client.post("/v1/auth/login", json={"tenant": demo["tenant"], **user}), 200)  # noqa: B023
    p, superiority = mann_whitney(known, unknown)
    return Timing(len(known), statistics.median(known), statistics.median(unknown), p, superiority)


async def measure() -> tuple[Rush, Timing]:
    home = Path(tempfile.mkdtemp(prefix="helios-bench-"))
    home.chmod(0o711)  # PostgreSQL runs under another account where we are root
    try:
        async with running_stack(home / "home", {"HELIOS_LLM": "offline"}) as stack:
            timing = await measure_timing(stack)
            return await measure_rush(stack), timing
    finally:
        shutil.rmtree(home, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sign_in")
    parser.add_argument("--json", action="store_true", help="print the raw numbers")
    parser.add_argument("--rush", metavar="URL", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.rush:
        asyncio.run(rush(args.rush))
        return
    one, timing = asyncio.run(measure())
    if args.json:
        results: dict[str, Any] = {"rush": {**asdict(one), "ratio": one.ratio}, "timing": asdict(timing)}
        print(json.dumps(results, indent=1))
        return
    print(
        f"Rush: {one.logins} sign-ins in {one.seconds:.1f} s, {one.refused} refused; a read takes p50/p99 "
        f"{one.alone_p50:.1f}/{one.alone_p99:.1f} ms alone, {one.beside_p50:.1f}/{one.beside_p99:.1f} ms beside them: "
        f"{one.ratio:.2f} times.\n"
        f"Timing: {timing.samples} wrong passwords each; median {timing.known_median:.1f} ms with an account, "
        f"{timing.unknown_median:.1f} ms without; p = {timing.p:.2f}, superiority {timing.superiority:.3f}."
    )


if __name__ == "__main__":
    main()
