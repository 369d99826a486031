"""Throws cases made from the API's own document at a running stack, and holds each answer against that document."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import requests
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

from api.problems import CODES, MEDIA_TYPE
from tests.fuzz.operations import Operation

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
OTHERS = 3
FAILURES_MOST = 3
WAIT_MOST_S = 1.0
STREAMS = ("/events",)
"""They answer for ever: asked with ids that do not exist only."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and what exists for them: values by the name that paths, queries, headers and bodies give them."""

    roles: frozenset[str] = frozenset()
    headers: Mapping[str, str] = field(default_factory=dict)
    known: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(slots=True)
class Thrown:
    """What became of some cases: answers by their status, and what went wrong, in words."""

    answers: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def throw(operation: Operation, url: str, callers: Sequence[Caller], cases: int, number: int) -> Thrown:
    """So many cases, the same ones for the same number. Stops at the third that goes wrong.

    Making a request takes longer than answering it, so each is four cases: as it was made, and by three others about
    what exists for them.
    """
    thrown = Thrown()
    with requests.Session() as session:
        session.trust_env = False  # looking for proxies takes a tenth of a call

        @seed(number)
        @settings(
            max_examples=math.ceil(cases / (1 + OTHERS)), deadline=None, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=_cases(operation), who=st.tuples(*[_who(operation, callers)] * (1 + OTHERS)),
               which=st.integers(0, 63))  # fmt: skip
        def each(case: Case[Any], who: tuple[Caller, ...], which: int) -> None:
            _do_not_wait(case)
            for number, caller in enumerate(who):
                if len(thrown.wrong) < FAILURES_MOST:
                    _aim(case, caller.known if number and not case.path.endswith(STREAMS) else {}, which + number)
                    thrown.wrong.extend(_look(case, url, caller, session, thrown.answers))

        try:
            each()
        except Unsatisfiable:  # nothing to choose from
            return thrown
    return thrown


def _who(operation: Operation, callers: Sequence[Caller]) -> st.SearchStrategy[Caller]:
    """Anybody, and in half of the cases somebody who may."""
    anybody = st.sampled_from([Caller(), *callers])
    may = [each for each in callers if operation.roles & each.roles]
    return anybody | st.sampled_from(may) if may else anybody


def _cases(operation: Operation) -> st.SearchStrategy[Case[Any]]:
    made = operation.schema
    good: st.SearchStrategy[Case[Any]] = made.as_strategy(generation_mode=GenerationMode.POSITIVE)
    takes_something = made.body or any(made.iter_parameters())
    return good | made.as_strategy(generation_mode=GenerationMode.NEGATIVE) if takes_something else good


def _aim(case: Case[Any], known: Mapping[str, Sequence[str]], which: int) -> None:
    """Names what exists instead of what was made up."""
    parts: tuple[Any, ...] = (case.path_parameters, case.query, case.headers, case.body)
    for part in parts:
        for name in set(part) & known.keys() if isinstance(part, MutableMapping) else ():
            if known[name]:
                real = known[name][which % len(known[name])]
                part[name] = int(real) if type(part[name]) is int and real.isdecimal() else real


def _do_not_wait(case: Case[Any]) -> None:
    if isinstance(case.query, dict) and isinstance(case.query.get("wait"), int | float):
        case.query["wait"] = min(case.query["wait"], WAIT_MOST_S)


def _look(case: Case[Any], url: str, who: Caller, session: requests.Session, answers: Counter[int]) -> Iterator[str]:
    try:
        answer = case.call(base_url=url, headers=dict(who.headers), session=session, timeout=75)
        answers[answer.status_code] += 1
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
