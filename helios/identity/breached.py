"""Whether a password is known from a breach, asked by k-anonymity: the service sees five characters of a SHA-1.

Protocol: `GET {url}/range/{first 5 hex digits}` answers lines `SUFFIX:COUNT` (Have I Been Pwned, Pwned Passwords v3),
with `Add-Padding` also lines of count 0 that mean nothing. It is off unless an address is set. Where the service does
not answer, or not in its protocol, the password is taken and that is logged: another company's outage may keep nobody
from a new password, and the other rules hold.
"""

from __future__ import annotations

import hashlib
import re

import httpx
import structlog

from helios.identity.strength import normal

log = structlog.get_logger()

TIMEOUT_S = 2.0
ANSWER_MAX = 512 * 1024
LINE = re.compile(r"([0-9A-F]{35}):(\d{1,12})", re.ASCII)


class Breached:
    """`url` empty: nothing is asked."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._http = httpx.AsyncClient(timeout=TIMEOUT_S, headers={"Add-Padding": "true"}) if url else None

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()

    async def knows(self, password: str) -> bool:
        """False also where the service could not say."""
        if self._http is None:
            return False
        # SHA-1 is what the protocol asks for; nothing rests on its strength.
        digest = hashlib.sha1(normal(password).encode(), usedforsecurity=False).hexdigest().upper()
        try:
            suffixes = parse_range(await self._range(self._http, digest[:5]))
        except (httpx.HTTPError, ValueError) as error:
            log.warning("breached passwords not asked", error=type(error).__name__)
            return False
        return suffixes.get(digest[5:], 0) > 0

    async def _range(self, http: httpx.AsyncClient, prefix: str) -> str:
        async with http.stream("GET", f"{self._url}/range/{prefix}") as answer:
            answer.raise_for_status()
            read = b""
            async for piece in answer.aiter_bytes():
                read += piece
                if len(read) > ANSWER_MAX:
                    raise ValueError("an answer without end")
        return read.decode("ascii")


def parse_range(text: str) -> dict[str, int]:
    """Raises `ValueError` for a line that is not `SUFFIX:COUNT`."""
    found: dict[str, int] = {}
    for line in text.split():
        match = LINE.fullmatch(line.upper())
        if match is None:
            raise ValueError("not a range of hashes")
        found[match[1]] = int(match[2])
    return found
