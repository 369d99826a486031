"""Compression of JSON, only where it can give nothing away.

Compressed together, a secret and what an attacker wrote tell by their joint length how alike they are (BREACH). So the
paths are named that hold no secret; a token, a key or a person's words are never compressed, nor is a stream.
"""

from __future__ import annotations

from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

COMPRESSED = ("/openapi.json", "/docs", "/v1/analytics/", "/v1/policies", "/v1/redaction-rules", "/v1/models")
SIZE_MIN = 1_024


class Compression:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._compressing = GZipMiddleware(
            app, SIZE_MIN, compresslevel=6, exclude_content_types=DEFAULT_EXCLUDED_CONTENT_TYPES
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        named = scope["type"] == "http" and scope["path"].startswith(COMPRESSED)
        await (self._compressing if named else self._app)(scope, receive, send)
