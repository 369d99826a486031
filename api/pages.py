"""The pages and their modules, read from `web/` at start: a table of files, not a path into the disk."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request, Response

from helios.settings import PROJECT

WEB = PROJECT / "web"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
PAGE_CSP = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
# The widget is public code that other sites embed.
EMBEDDABLE = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}


@dataclass(frozen=True, slots=True)
class File:
    body: bytes
    type: str
    headers: dict[str, str]


def router(web: Path = WEB) -> APIRouter:
    """A route for each file below `web`; `NAME.html` is at `/NAME`."""
    made = APIRouter(include_in_schema=False)
    for path in sorted(web.rglob("*")):
        if path.suffix in TYPES:
            name = path.relative_to(web).as_posix()
            url = f"/{name.removesuffix('.html')}"
            made.add_api_route(url, _route(_read(path, name)), methods=["GET", "HEAD"])
    return made


def _read(path: Path, name: str) -> File:
    body = path.read_bytes()
    headers = {"Cache-Control": "no-cache", "ETag": f'"{hashlib.sha256(body).hexdigest()[:32]}"'}
    headers["Content-Security-Policy"] = PAGE_CSP
    if name == "widget.js" or name.startswith("widget/"):
        headers.update(EMBEDDABLE)
    return File(body, TYPES[path.suffix], headers)


def _route(file: File):  # type: ignore[no-untyped-def]
    async def serve(request: Request) -> Response:
        if request.headers.get("if-none-match") == file.headers["ETag"]:
            return Response(status_code=304, headers=file.headers)
        return Response(file.body, media_type=file.type, headers=file.headers)

    return serve
