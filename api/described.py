"""Examples for the API's own document: of what is sent, of what is answered, and of each error by its code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.problems import CODES, MEDIA_TYPE, Problem

ID = "019a0000-0000-7000-8000-000000000000"
TIME = "2026-03-01T09:30:00.000Z"


def described(
    answer: Mapping[str, Any] | None,
    *errors: str,
    status: int = 200,
    body: Mapping[str, Any] | None = None,
    bodies: Mapping[str, Mapping[str, Any]] | None = None,
    about: str = "Done",
) -> dict[str, Any]:
    """Keywords for a route's decorator. `answer` None: the answer has no body. `bodies`: several examples by name."""
    responses: dict[int | str, dict[str, Any]] = {status: {"description": about}}
    if answer is not None:
        responses[status]["content"] = {"application/json": {"example": dict(answer)}}
    for code in errors:
        responses.setdefault(CODES[code].status, _errors())["content"][MEDIA_TYPE]["examples"][code] = {
            "summary": CODES[code].title,
            "value": Problem(code).body(ID),
        }
    found: dict[str, Any] = {"responses": responses, "status_code": status}
    if bodies is not None:
        examples = {name: {"value": dict(each)} for name, each in bodies.items()}
        found["openapi_extra"] = {"requestBody": {"content": {"application/json": {"examples": examples}}}}
    elif body is not None:
        found["openapi_extra"] = {"requestBody": {"content": {"application/json": {"example": dict(body)}}}}
    return found


def _errors() -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": "A problem (RFC 9457); the codes are explained at /docs/errors",
        "content": {MEDIA_TYPE: {"schema": schema, "examples": {}}},
    }
