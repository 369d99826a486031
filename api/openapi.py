"""The API's document: FastAPI's, with our problems as the errors of every operation, and an example for everything."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.described import ID, restored
from api.problems import CODES, MEDIA_TYPE, Problem

PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        **{name: {"type": "string"} for name in ("type", "title", "detail", "request_id")},
        "code": {"type": "string", "enum": list(CODES)},
        "status": {"type": "integer"},
        "errors": {
            "type": "array",
            "items": {"type": "object", "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}}},
        },
    },
}
NOTHING = "#/components/schemas/Nothing"
ABOUT_ERRORS = "A problem (RFC 9457); the codes are explained at /docs/errors"
PARAMETERS: dict[str, Any] = {
    "limit": 50,
    "cursor": "WyIyMDI2LTAzLTAxVDA5OjMwOjAwKzAwOjAwIiwgIjAxOWEwMDAwLTAwMDAtNzAwMC04MDAwLTAwMDAwMDAwMDAwMCJd",
    "wait": 20,
    "after": "12.100007",
    "last-event-id": "12.100007",
    "accept": "application/json",
    "X-API-Key": "hk_live_…",
    "ticket": "k3v…",
    "queue": "disputes",
    "since": 40,
    "preserveStorageRefs": True,
    "skip": 200,
    "kind": "complaint",
    "language": "en",
    "category": "cards",
    "tag": "fees",
    "title": "card",
    "number": 2,
    "version": 2,
    "against": 1,
    "If-Match": '"2"',
    "search": "alex",
    "action": "auth.login",
    "subject_type": "user",
    "from": "2026-03-01T00:00:00Z",
    "to": "2026-04-01T00:00:00Z",
    "tenant": "harbour",
    "challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    "return_to": "/chat",
    "state": "019a0000….3kZq…",
    "code": "SplxlOBeZQQYbYS6WxSbIA",
    "error": "access_denied",
    "iss": "https://login.harbour.example",
    "as_of": "2026-04-02T00:00:00Z",
    "period": "2026-Q1",
    "format": "html",
    "interval": "week",
    "channel": "web",
    "intent": "transfer_abroad",
    "report": "complaints",
    "suite": "first-questions",
    "name": "first-questions",
}
"""Examples by name; an id is an id anyhow."""


def document(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        components = made.setdefault("components", {})
        components.setdefault("schemas", {})["Problem"] = PROBLEM
        components["examples"] = {code: _example(code) for code in CODES}
        components["responses"] = {"Problem": _problems(list(CODES))}
        for verbs in made["paths"].values():
            for operation in verbs.values():
                _complete(operation)
        for unused in ("HTTPValidationError", "ValidationError"):
            components["schemas"].pop(unused, None)
        app.openapi_schema = restored(made)
    return app.openapi_schema


def _complete(operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    if "application/json" in responses.get("422", {}).get("content", {}):
        del responses["422"]  # FastAPI's own, which we never send
    for answer in responses.values():
        answer["content"] = {
            kind: media for kind, media in answer.get("content", {}).items() if media != {"schema": {}}
        }
        if not answer["content"]:  # what FastAPI assumes of a route that says nothing, or says otherwise
            del answer["content"]
    responses["default"] = {"$ref": "#/components/responses/Problem"}
    for media in operation.get("requestBody", {}).get("content", {}).values():
        if NOTHING in str(media.get("schema")):
            media.setdefault("example", {})
    for parameter in operation.get("parameters", ()):
        example = _parameter(parameter)
        if example is not None:
            parameter.setdefault("example", example)


def _parameter(parameter: dict[str, Any]) -> Any:
    if parameter["name"].endswith("_id"):
        return ID
    schema = parameter["schema"]
    choices = [each for one in schema.get("anyOf", [schema]) for each in one.get("enum", ())]
    return choices[0] if choices else PARAMETERS.get(parameter["name"])


def _example(code: str) -> dict[str, Any]:
    return {"summary": CODES[code].title, "value": Problem(code).body(ID)}


def _problems(codes: list[str]) -> dict[str, Any]:
    return {
        "description": ABOUT_ERRORS,
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {code: {"$ref": f"#/components/examples/{code}"} for code in codes},
            }
        },
    }
