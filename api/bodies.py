"""Bodies of requests: how large, and how slow."""

from __future__ import annotations

import asyncio

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import Problem, refuse

BODY_MAX = 64 * 1024
UPLOAD_MAX = 8 * 1024 * 1024
UPLOADS = frozenset({"/v1/knowledge/sources", "/v1/intents"})
"""Where a form may bring a file."""
BODY_WITHIN_S = 20.0


class Unread(HTTPException):
    """Raised into the reading of a body that is over a limit. FastAPI takes any other exception for bad JSON."""


class Bodies:
    """Ends the reading of a body at its limits, whatever was declared."""

    def __init__(self, app: ASGIApp, body_within_s: float = BODY_WITHIN_S) -> None:
        self._app = app
        self._within_s = body_within_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        is_form = headers.get("content-type", "").startswith("multipart/form-data")
        most = UPLOAD_MAX if is_form and scope["path"] in UPLOADS else BODY_MAX
        declared = headers.get("content-length", "0")
        if declared.isascii() and declared.isdigit() and int(declared[:20]) > most:
            await refuse(Problem("payload_too_large"), scope, receive, send)
            return
        await self._app(scope, _Body(receive, self._within_s, most).receive, send)


class _Body:
    """One request's body on its way in."""

    def __init__(self, receive: Receive, within_s: float, most: int) -> None:
        self._receive = receive
        self._most = most
        self._within_s = within_s
        self._deadline: float | None = None
        self._seen = 0
        self._whole = False

    async def receive(self) -> Message:
        if self._whole:  # what comes now is the client going away, some time
            return await self._receive()
        now = asyncio.get_running_loop().time()
        self._deadline = self._deadline or now + self._within_s
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise Unread(408) from None
        if message["type"] == "http.request":
            self._seen += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
            if self._seen > self._most:
                raise Unread(413)
        return message
