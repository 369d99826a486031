"""Files: what a browser sends as multipart/form-data becomes the JSON body that a program would send."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Coroutine
from email.message import Message
from pathlib import PurePath
from typing import Any

from fastapi import Request, Response
from starlette.datastructures import UploadFile

from api.idempotency import IdempotentRoute
from api.models import SourceFile
from api.problems import Problem
from api.validation import StrictRequest
from helios.knowledge.parsing import MEDIA_TYPES, media_type_of
from helios.uploads import UploadRefused, check_upload

FIELDS_MAX = 20
LISTS = frozenset({"tags", "audiences"})
"""Fields that hold several values, with commas between them."""
REFUSED = {
    "content": "is not the kind of file that its name says",
    "entries": "holds too many files",
    "unpacked_size": "unpacks to too much",
    "ratio": "unpacks to too much",
}
REFUSED_ARCHIVE = "is damaged, or not as a word processor writes it"


class UploadRoute(IdempotentRoute):
    """A route that takes its body as JSON or as a form with one `file`."""

    titled = True
    """The file's name is the title, where none is given."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle, titled = super().get_route_handler(), self.titled

        async def accept(request: Request) -> Response:
            return await handle(await _as_json(request, titled) if _is_form(request) else request)

        return accept


def _is_form(request: Request) -> bool:
    message = Message()
    message["content-type"] = request.headers.get("content-type", "")
    return message.get_content_type() == "multipart/form-data" and message.get_boundary() is not None


class UntitledUploadRoute(UploadRoute):
    """What is uploaded has no title."""

    titled = False


async def _as_json(request: Request, titled: bool) -> StrictRequest:
    fields: dict[str, Any] = {}
    async with request.form(max_files=1, max_fields=FIELDS_MAX) as form:
        for name, value in form.multi_items():
            if name in fields:
                raise Problem("invalid_request", "A field of the form stands there twice.")
            fields[name] = await _file(value) if isinstance(value, UploadFile) else _value(name, value)
    if titled and isinstance(fields.get("file"), dict):
        fields.setdefault("title", PurePath(fields["file"]["name"]).stem.replace("-", " ").replace("_", " "))
    return _request(request, json.dumps(fields).encode())


async def _file(upload: UploadFile) -> dict[str, str]:
    return {"name": upload.filename or "", "content": base64.b64encode(await upload.read()).decode()}


def _value(name: str, value: str) -> str | list[str]:
    return [part.strip() for part in value.split(",") if part.strip()] if name in LISTS else value


def _request(request: Request, body: bytes) -> StrictRequest:
    """The same request with this body instead of its own, which has been read."""
    headers = [
        (name, value) for name, value in request.scope["headers"] if name not in (b"content-type", b"content-length")
    ]
    headers += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return StrictRequest({**request.scope, "headers": headers}, receive)


def content_of(file: SourceFile) -> tuple[bytes, str]:
    """A file's bytes and media type. Raises a problem for one that is not read, or not what its name says."""
    media_type = media_type_of(file.name)
    if media_type is None:
        raise Problem("unsupported_media_type", f"The kinds of files that are read: {', '.join(MEDIA_TYPES)}.")
    try:
        original = base64.b64decode(file.content, validate=True)
        check_upload(media_type, original)
    except (ValueError, binascii.Error):
        raise _invalid("is not base64") from None
    except UploadRefused as error:
        raise _invalid(REFUSED.get(error.reason, REFUSED_ARCHIVE)) from None
    return original, media_type


def _invalid(detail: str) -> Problem:
    return Problem("invalid_request", errors=[{"pointer": "/file/content", "detail": detail}])
