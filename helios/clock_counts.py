"""How often clocks warned and were breached, for all tenants together: counted by workers, shown by the API's metrics.

A count that Valkey loses is a gap in a curve; the ticket's history and the audit log are the record.
"""

from __future__ import annotations

from contextlib import suppress

from redis.asyncio import Redis
from redis.exceptions import RedisError

KEY = "helios:ticket_clocks"
NAME = "helios_ticket_clock_alarms_total"


async def count(valkey: Redis, kind: str, alarm: str) -> None:
    with suppress(RedisError, OSError):
        await valkey.hincrby(KEY, f"{kind}:{alarm}", 1)


async def exposed(valkey: Redis) -> str:
    """In Prometheus's text format; empty where Valkey does not answer."""
    found: dict[str | bytes, str | bytes] = {}
    with suppress(RedisError, OSError):
        found = await valkey.hgetall(KEY)
    lines = [f"# HELP {NAME} Warnings and breaches of regulated clocks", f"# TYPE {NAME} counter"]
    for name, value in sorted((_text(name), _text(value)) for name, value in found.items()):
        kind, _, alarm = name.partition(":")
        lines.append(f'{NAME}{{kind="{kind}",alarm="{alarm}"}} {value}')
    return "\n".join(lines) + "\n"


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
