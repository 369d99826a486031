"""A noisy tenant at ten times its share beside quiet ones: what the quiet ones' customers feel of it.

Its share is the limit that it has in its settings. The quiet tenant sends at its own pace throughout. A run is two calm
times and two noisy ones in turns, so that both meet the same machine; the ratio of their p95 is what counts.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from statistics import median
from uuid import uuid4

import httpx

from benchmarks.environment import Stack
from benchmarks.measures import percentile
from benchmarks.questions import question
from helios.database import Database
from helios.keyring import root_key
from tests.neighbour import Neighbour, make_neighbour

SHARE_PER_S = 2
TIMES = 10
QUIET_TALKS, NOISY_TALKS = 4, 40
QUIET_EVERY_S = 1.0
SETTLE_S = 1.0
"""For turns that a noisy time has left."""
SHARE_HEADER = f'"tenant";q={SHARE_PER_S * 2};w=2'


@dataclass(slots=True)
class Noisy:
    """One value a run: milliseconds, and how the noisy tenant was answered, by status."""

    calm_p95_ms: list[float] = field(default_factory=list)
    noisy_p95_ms: list[float] = field(default_factory=list)
    answers: dict[str, int] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """The median of the runs."""
        return median(noisy / calm for calm, noisy in zip(self.calm_p95_ms, self.noisy_p95_ms, strict=True))


@dataclass(frozen=True, slots=True)
class Said:
    path: str
    headers: dict[str, str]


async def measure_noisy(stack: Stack, runs: int, seconds: float) -> Noisy:
    """`seconds`: of each quarter of a run. The stack counts limits as an operator's would."""
    database = Database(stack.env["HELIOS_POSTGRES_DSN"], pool_size=2)
    try:
        neighbour = await make_neighbour(database, root_key(stack.env["HELIOS_ROOT_KEY"]))
    finally:
        await database.close()
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=stack.described["api_url"], timeout=60, limits=limits) as client:
        talks = await stack.talks(QUIET_TALKS)
        quiet = [_said(talk.conversation_id, talk.token) for talk in talks]
        noisy = [await _open(client, str(neighbour.demo["api_key"])) for _ in range(NOISY_TALKS)]
        await _give_share(stack, client, neighbour, noisy[0])
        measured, answers = Noisy(), Counter[str]()
        await _quiet(client, quiet, 3.0)  # warms up
        for _ in range(runs):
            took: dict[bool, list[float]] = {False: [], True: []}
            for is_noisy in (False, True, True, False):
                noise = asyncio.create_task(_noise(client, noisy, seconds if is_noisy else 0.0, answers))
                took[is_noisy] += await _quiet(client, quiet, seconds)
                await noise
                await asyncio.sleep(SETTLE_S)
            measured.calm_p95_ms.append(percentile(took[False], 0.95))
            measured.noisy_p95_ms.append(percentile(took[True], 0.95))
        measured.answers = dict(answers)
        return measured


def _said(conversation_id: str, token: str) -> Said:
    return Said(f"/v1/conversations/{conversation_id}/messages?wait=30", {"Authorization": f"Bearer {token}"})


async def _open(client: httpx.AsyncClient, api_key: str) -> Said:
    body, headers = {"external_id": f"noisy-{uuid4()}"}, {"X-API-Key": api_key}
    token = (await client.post("/v1/customer-tokens", json=body, headers=headers)).raise_for_status().json()
    bearer = {"Authorization": f"Bearer {token['access_token']}"}
    opened = (await client.post("/v1/conversations", json={}, headers=bearer)).raise_for_status().json()
    return _said(opened["id"], token["access_token"])


async def _give_share(stack: Stack, client: httpx.AsyncClient, neighbour: Neighbour, one: Said) -> None:
    own = json.dumps({"limits": {"tenant": SHARE_PER_S * 60}})
    await stack.query("UPDATE tenants SET settings = settings || $1::jsonb WHERE id = $2", own, neighbour.tenant_id)
    async with asyncio.timeout(60):
        look = client.build_request("GET", "/v1/auth/me", headers=one.headers)
        while SHARE_HEADER not in (await client.send(look)).headers["ratelimit-policy"]:  # noqa: ASYNC110
            await asyncio.sleep(0.5)  # the API looks for itself, every few seconds


async def _quiet(client: httpx.AsyncClient, talks: list[Said], seconds: float) -> list[float]:
    """How long each turn took, in milliseconds, of customers who each say something once in a while."""
    end = time.perf_counter() + seconds

    async def talk(said: Said, n: int) -> list[float]:
        took: list[float] = []
        due = time.perf_counter() + QUIET_EVERY_S * n / len(talks)
        while due < end:
            await asyncio.sleep(due - time.perf_counter())
            began = time.perf_counter()
            answer = await client.post(said.path, json={"content": question(n + len(took))}, headers=said.headers)
            assert answer.status_code == 200, answer.text
            took.append(1000 * (time.perf_counter() - began))
            due = max(due + QUIET_EVERY_S, time.perf_counter())
        return took

    return [each for one in await asyncio.gather(*(talk(said, n) for n, said in enumerate(talks))) for each in one]


async def _noise(client: httpx.AsyncClient, talks: list[Said], seconds: float, answers: Counter[str]) -> None:
    """Ten times the share, evenly, without waiting for answers."""

    async def say(said: Said, n: int) -> None:
        answer = await client.post(said.path, json={"content": question(n)}, headers=said.headers)
        answers[str(answer.status_code)] += 1

    began, rate = time.perf_counter(), SHARE_PER_S * TIMES
    async with asyncio.TaskGroup() as group:
        for n in range(int(rate * seconds)):
            await asyncio.sleep(began + n / rate - time.perf_counter())
            group.create_task(say(talks[n % len(talks)], n))
