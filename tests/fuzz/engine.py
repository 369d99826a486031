"""Throws cases made from the API's own document at a running stack, and holds each answer against that document."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.limits import class_of
from api.problems import CODES, MEDIA_TYPE

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
FAILURES_MOST = 3
WAIT_MOST_S = 1.0
STREAMS = ("/events",)
"""They answer for ever: asked with ids that do not exist only."""


@dataclass(frozen=True, slots=True)
class Callers:
    """Who asks, and for what: headers of callers, and ids that exist by the name that paths give them."""

    headers: list[dict[str, str]]
    ids: dict[str, str] = field(default_factory=dict)


def load(document: dict[str, Any]) -> dict[str, Any]:
    """Every operation by its label, e.g. `POST /v1/conversations`."""
    schema = schemathesis.openapi.from_dict(document)
    found: list[Any] = [each.ok() for each in schema.get_all_operations()]  # type: ignore[union-attr]
    return {operation.label: operation for operation in found}


def fingerprint(document: dict[str, Any], label: str) -> str:
    """Changes when the operation or a schema does."""
    method, path = label.split(" ")
    about = [document["paths"][path][method.lower()], document.get("components", {}).get("schemas", {})]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]


def slow(label: str) -> bool:
    """Whether a password is hashed on the way: a tenth of the cases has to do."""
    return class_of(*label.split(" ")) == "sign_in"


def throw(operation: Any, url: str, callers: Callers, cases: int, number: int) -> list[str]:
    """So many cases, the same ones for the same number. Returns what went wrong, in words."""
    wrong: list[str] = []
    session = requests.Session()

    @seed(number)
    @settings(
        max_examples=cases, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=_cases(operation), who=st.sampled_from([{}, *callers.headers]), known=st.booleans())
    def one(case: Case[Any], who: dict[str, str], known: bool) -> None:
        if len(wrong) < FAILURES_MOST:
            _aim(case, callers.ids if known and not case.path.endswith(STREAMS) else {})
            wrong.extend(_look(case, url, who, session))

    try:
        one()
    except Unsatisfiable:  # nothing to choose from
        return wrong
    finally:
        session.close()
    return wrong


def _cases(operation: Any) -> st.SearchStrategy[Case[Any]]:
    good: st.SearchStrategy[Case[Any]] = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    takes_something = operation.body or any(operation.iter_parameters())
    return good | operation.as_strategy(generation_mode=GenerationMode.NEGATIVE) if takes_something else good


def _aim(case: Case[Any], ids: dict[str, str]) -> None:
    for name in case.path_parameters or {}:
        if name in ids:
            case.path_parameters[name] = ids[name]
    if isinstance(case.query, dict) and isinstance(case.query.get("wait"), int | float):
        case.query["wait"] = min(case.query["wait"], WAIT_MOST_S)


def _look(case: Case[Any], url: str, who: dict[str, str], session: requests.Session) -> Iterator[str]:
    try:
        answer = case.call(base_url=url, headers=who, session=session, timeout=75)
        case.validate_response(answer, checks=CHECKS)
        if answer.status_code >= 400:
            _require_problem(answer, case.method)
    except (Failure, FailureGroup, AssertionError, requests.RequestException) as error:
        causes = getattr(error, "exceptions", None) or [error]
        sent = case.as_transport_kwargs(base_url=url)
        body = sent.get("json", sent.get("data"))
        yield f"{case.method} {sent['url']} {sent.get('params')} {body!r}: " + "; ".join(
            f"{type(each).__name__} {each}"[:600] for each in causes
        )


def _require_problem(answer: Any, method: str) -> None:
    if method == "HEAD":
        return
    assert answer.headers["content-type"][0] == MEDIA_TYPE, answer.headers["content-type"]
    body = answer.json()
    assert CODES[body["code"]].status == body["status"] == answer.status_code
    assert body["request_id"] == answer.headers["x-request-id"][0]
