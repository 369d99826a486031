"""Examples for the API's own document: of what is sent, of what is answered, and of each error by its code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.problems import CODES, MEDIA_TYPE, Problem

ID = "019a0000-0000-7000-8000-000000000000"
NULL = "\x00null"
TIME = "2026-03-01T09:30:00.000Z"


def described(
    answer: Mapping[str, Any] | None,
    *errors: str,
    status: int = 200,
    body: Mapping[str, Any] | None = None,
    bodies: Mapping[str, Mapping[str, Any]] | None = None,
    also: Mapping[int, dict[str, Any]] | None = None,
    forms: Mapping[str, Any] | None = None,
    about: str = "Done",
) -> dict[str, Any]:
    """Keywords for a route's decorator. `answer` None: the answer has no body. `bodies`: several examples by name.

    `also`: answers with another status, each as the document has it. `forms`: the same answer in other media types.
    """
    responses: dict[int | str, dict[str, Any]] = {status: {"description": about}}
    for other, about_it in (also or {}).items():
        responses[other] = about_it
    if answer is not None:
        responses[status]["content"] = {**json_content(answer), **(forms or {})}
    for code in errors:
        responses.setdefault(CODES[code].status, _errors())["content"][MEDIA_TYPE]["examples"][code] = {
            "summary": CODES[code].title,
            "value": Problem(code).body(ID),
        }
    found: dict[str, Any] = {"responses": responses, "status_code": status}
    if bodies is not None:
        examples = {name: {"value": kept(each)} for name, each in bodies.items()}
        found["openapi_extra"] = {"requestBody": {"content": {"application/json": {"examples": examples}}}}
    elif body is not None:
        found["openapi_extra"] = {"requestBody": {"content": {"application/json": {"example": kept(body)}}}}
    return found


def json_content(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema_of(answer), "example": kept(answer)}}


def kept(example: Any) -> Any:
    """The example with a word for null, which FastAPI would leave out; `restored` is its counterpart."""
    if isinstance(example, Mapping):
        return {name: kept(value) for name, value in example.items()}
    if isinstance(example, list | tuple):
        return [kept(value) for value in example]
    return NULL if example is None else example


def restored(document: Any) -> Any:
    if isinstance(document, dict):
        return {name: restored(value) for name, value in document.items()}
    if isinstance(document, list):
        return [restored(value) for value in document]
    return None if document == NULL else document


def text_content(media_type: str, example: str) -> dict[str, Any]:
    return {media_type: {"schema": {"type": "string"}, "example": example}}


def binary_content(media_type: str, example: str) -> dict[str, Any]:
    return {media_type: {"schema": {"type": "string", "format": "binary"}, "example": example}}


def schema_of(answer: Any, *, deep: bool = True) -> dict[str, Any]:
    """What an example promises: these names are there, with these types or null. Inner objects may have other names."""
    if isinstance(answer, Mapping):
        if not deep:
            return {"type": ["object", "null"]}
        properties = {name: schema_of(value, deep=False) for name, value in answer.items()}
        if "items" in answer and "next_cursor" in answer:
            properties["items"] = {"type": "array", "items": schema_of(answer["items"][0])}
        return {"type": "object", "required": list(answer), "properties": properties}
    if isinstance(answer, list | tuple):
        return {"type": ["array", "null"]}
    for kind, name in ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string")):
        if isinstance(answer, kind):
            return {"type": [name, "null"]}
    return {}


def _errors() -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": "A problem (RFC 9457); the codes are explained at /docs/errors",
        "content": {MEDIA_TYPE: {"schema": schema, "examples": {}}},
    }
