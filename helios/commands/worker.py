"""Runs a worker: conversations, turns and escalations. Needs the servers' addresses in HELIOS_* variables."""

from __future__ import annotations

import argparse
import asyncio

from helios.loading import loading
from helios.settings import settings
from helios.sources import build_id


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--check", action="store_true", help="run none; exit with 0 if one on this host was alive in the last 10 s"
    )
    parser.add_argument("--build", action="store_true", help="run none; print what histories will call this code")


def run(args: argparse.Namespace) -> int:
    if args.build:
        print(build_id())
        return 0
    if args.check:
        return 0 if asyncio.run(_is_alive()) else 1
    with loading():
        import worker
    worker.main()
    return 0


async def _is_alive() -> bool:
    from redis.exceptions import RedisError

    from helios.frames import connect
    from helios.heartbeat import lives_here

    valkey = connect(settings().redis_url.get_secret_value())
    try:
        return await lives_here(valkey)
    except (RedisError, OSError):
        return False
    finally:
        await valkey.aclose()
