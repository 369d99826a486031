"""Server-sent events of a provider, as JSON objects.

The SDKs can do this too, and build a model of each event: .17 ms of CPU for every token of an OpenAI answer, more
than all the rest of reading it. The SDKs open the stream (keys, headers, errors); this reads it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, Protocol

DONE = b"[DONE]"
"""OpenAI's last event, which is no JSON and says nothing that the finish reason has not said."""


class Response(Protocol):
    """An SDK's open response."""

    def iter_bytes(self) -> AsyncIterator[bytes]: ...
    async def close(self) -> None: ...


class EventStream:
    """The events of one response, in order. Raises ValueError or TypeError for an event that is no JSON object."""

    def __init__(self, response: Response) -> None:
        self._response = response
        self._bytes = response.iter_bytes()

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        rest = b""
        data: list[bytes] = []
        async for part in self._bytes:
            # Lines end at a newline only: str.splitlines would also split at signs that JSON may hold, such as U+2028.
            *lines, rest = (rest + part if rest else part).split(b"\n")
            for line in lines:
                line = line.removesuffix(b"\r")
                if line.startswith(b"data:"):
                    data.append(line[5:].removeprefix(b" "))
                elif not line and data:
                    payload, data = b"\n".join(data), []
                    if payload != DONE:
                        yield _object(payload)

    async def close(self) -> None:
        """Hang up, whatever is still to come."""
        await self._response.close()


def _object(payload: bytes) -> dict[str, Any]:
    value = json.loads(payload)
    if not isinstance(value, dict):
        raise TypeError("not a JSON object")
    return value
