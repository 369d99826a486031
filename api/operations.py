"""What ops look at: alive, ready, metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest
from sqlalchemy import text

from api.described import described, text_content
from api.problems import Problem
from api.state import Services, State
from helios.heartbeat import live_workers
from helios.shared_counts import CLOCK_ALARMS, SEMANTIC_CACHE

router = APIRouter(tags=["Operations"])

CHECK_WITHIN_S = 2.0
METRICS = 'helios_http_requests_total{method="GET",route="/healthz",status="200"} 12.0\n'

REQUESTS = Counter("helios_http_requests_total", "Requests by route", ["method", "route", "status"])
LATENCY = Histogram(
    "helios_http_request_seconds",
    "Time to the first byte of the answer",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
STREAMS = Counter("helios_streams_total", "Event streams opened", ["kind"])


@router.get("/healthz", **described({"status": "ok"}, about="It lives"))
async def alive() -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok"})


@router.get(
    "/readyz",
    **described(
        {"status": "ready", "postgres": "ok", "valkey": "ok", "temporal": "ok", "worker": "ok"},
        "dependency_unavailable",
        about="Everything answers",
    ),
)
async def ready(services: State) -> Response:
    """Each dependency answers, and a worker has given a sign of life in the last 10 s."""
    checks = {
        "postgres": _postgres(services),
        "valkey": _valkey(services),
        "temporal": _temporal(services),
        "worker": _worker(services),
    }
    answers = await asyncio.gather(*(asyncio.wait_for(check, CHECK_WITHIN_S) for check in checks.values()),
                                   return_exceptions=True)  # fmt: skip
    states = {name: "away" if isinstance(answer, BaseException) else answer
              for name, answer in zip(checks, answers, strict=True)}  # fmt: skip
    if all(state == "ok" for state in states.values()):
        return JSONResponse({"status": "ready", **states})
    away = ", ".join(name for name, state in states.items() if state != "ok")
    raise Problem("dependency_unavailable", f"Not ready: {away}.", retry_after_s=2)


@router.get(
    "/metrics",
    **described(
        None, also={200: {"description": "Counters and histograms", "content": text_content("text/plain", METRICS)}}
    ),
)
async def metrics(services: State) -> Response:
    """Prometheus text format. No label holds anything of a person or a tenant."""
    counted = "".join([await each.exposed(services.valkey) for each in (CLOCK_ALARMS, SEMANTIC_CACHE)])
    return Response(generate_latest() + counted.encode(), media_type=CONTENT_TYPE_LATEST)


async def _postgres(services: Services) -> str:
    async with services.database.platform() as connection:
        await connection.execute(text("SELECT 1"))
    return "ok"


async def _valkey(services: Services) -> str:
    ping: Awaitable[bool] = services.valkey.ping()
    return "ok" if await ping else "away"


async def _temporal(services: Services) -> str:
    client = services.conversations.client
    return "ok" if await client.service_client.check_health() else "away"


async def _worker(services: Services) -> str:
    return "ok" if await live_workers(services.valkey) else "none"
