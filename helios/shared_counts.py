"""What workers count for all tenants together and the API's metrics show.

A count that Valkey loses is a gap in a curve: what happened is told by the tables and the audit log.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import RedisError


@dataclass(frozen=True, slots=True)
class SharedCount:
    """A counter of Prometheus by `labels`, kept as the hash `key` of Valkey. A label's value holds no colon."""

    key: str
    name: str
    help: str
    labels: tuple[str, ...]

    async def count(self, valkey: Redis, *values: str) -> None:
        with suppress(RedisError, OSError):
            await valkey.hincrby(self.key, ":".join(values), 1)

    async def exposed(self, valkey: Redis) -> str:
        """In Prometheus's text format; without values where Valkey does not answer."""
        found: dict[str | bytes, str | bytes] = {}
        with suppress(RedisError, OSError):
            found = await valkey.hgetall(self.key)
        lines = [f"# HELP {self.name} {self.help}", f"# TYPE {self.name} counter"]
        for values, counted in sorted((_text(values), _text(counted)) for values, counted in found.items()):
            named = ",".join(f'{label}="{value}"' for label, value in zip(self.labels, values.split(":"), strict=True))
            lines.append(f"{self.name}{{{named}}} {counted}")
        return "\n".join(lines) + "\n"


CLOCK_ALARMS = SharedCount(
    "helios:ticket_clocks", "helios_ticket_clock_alarms_total", "Warnings and breaches of regulated clocks",
    ("kind", "alarm"),
)  # fmt: skip
SEMANTIC_CACHE = SharedCount(
    "helios:semantic_cache", "helios_semantic_cache_total",
    "Questions that the semantic cache was asked about (hit, miss, failed) and answers that it kept (kept)",
    ("outcome",),
)  # fmt: skip


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
