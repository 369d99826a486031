"""Bad bodies on every operation that takes one: a problem, nothing stored, nothing echoed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import httpx
import pytest

from tests.api.conftest import Things, who_may
from tests.api.operations import Operation, example, kinds, operations, share
from tests.api.problems import assert_problem
from tests.caller import Api

WITH_BODY = [each for each in operations() if each.body is not None]
JSON = {"Content-Type": "application/json"}
# Stands for whatever a person may have typed: it may not come back, wherever it was put.
CANARY = "kanarienvogel"
WRONG: dict[str, list[Any]] = {
    "string": [12, 1.5, True, [], {}, [CANARY]],
    "integer": [CANARY, 1.5, [], {}, True, 10**400, -(10**18)],
    "boolean": [CANARY, 1, 0, [], {}],
    "object": [CANARY, 1, [], [CANARY]],
}
NOT_READABLE = ("\x00", f"{CANARY}\x00", f"\x1b[2J{CANARY}", f"{CANARY}\x7f", "\ud800", f"{CANARY}\udfff{CANARY}")
OTHER_TYPES = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/xml", "", "\xe9")


def not_json() -> Iterator[bytes]:
    """Bytes that are no JSON object at all."""
    yield from (b"{", b'{"a":', b"nonsense", b"{'a': 1}", b'{"a": 1,}', b"{} {}", b'{"a": 01}', b"\x00", b"[]", b"12")
    yield from (
        b'"text"',
        b"true",
        b"[[]]",
        b'{"a": "\xff\xfe"}',
        b"\xff\xfe{}",
        b'{"\xc3\x28": 1}',
        "{}".encode("utf-16"),
    )
    yield from (b"[" * 30_000, b'{"a":' * 10_000, b"9" * 60_000, b"\xef\xbb\xbf[]", b"NaN", b"-Infinity")
    yield from (b'{"content": "\x01"}', b'{"rating": 5' + b"0" * 5_000 + b"}", b'{"rating": 1e400}', b'{"x": NaN}')


def wrong_objects(schema: dict[str, Any], unreadable: Sequence[str]) -> Iterator[bytes]:
    """Objects that are valid but for one thing. Each text holds one of the `unreadable` once."""
    good = example(schema)
    yield from (
        _json({**good, name: value}) for name, value in ((CANARY, 1), ("__proto__", {}), ("\ud800", 1), ("", 1))
    )
    yield from (_json({**good, f"{CANARY}-{'n' * 200}": CANARY}), _json({**good, "4111 1111 1111 1111": 1}))
    for name in schema.get("required", ()):
        yield _json({key: value for key, value in good.items() if key != name})
        yield _json({**good, name: None})
    for name, about in schema["properties"].items():
        yield from (_json({**good, name: value}) for value in _wrong_values(about, unreadable))
        if name in good:
            valid = json.dumps(good[name])
            yield (_json(good)[:-1] + f", {json.dumps(name)}: {valid}}}".encode())  # the same key twice


def _wrong_values(about: dict[str, Any], unreadable: Sequence[str]) -> Iterator[Any]:
    known = kinds(about)
    for kind in known:
        yield from (value for value in WRONG.get(kind, ()) if not _takes(known, value))
    text = known.get("string", {})
    if text and "enum" not in about:
        if "maxLength" in text:
            yield CANARY[:1] * (text["maxLength"] + 1)
        if text.get("minLength"):
            yield ""
        # A password may hold anything that is Unicode.
        yield from (value for value in unreadable if text.get("format") != "password" or not value.isascii())
    if "enum" in about or text.get("format", "password") != "password":
        yield from (CANARY, "", "../../etc/passwd", "\x00")
    if "object" in known:
        yield from (
            {CANARY: []},
            {CANARY: {}},
            {"": 1},
            {"n" * 65: 1},
            {CANARY: "n" * 65},
            {"\ud800": 1},
            {CANARY: "\x00"},
        )
        yield {f"{CANARY}{n}": n for n in range(33)}


def _takes(known: dict[str, Any], value: object) -> bool:
    """Whether another of the field's types takes this value."""
    return isinstance(value, str) and "string" in known


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


async def refuse(answer: httpx.Response, body: bytes) -> None:
    # A sign-in with nonsense that is well-formed is a sign-in with a wrong password.
    unknown = (401,) if "/auth/" in answer.request.url.path else ()
    assert_problem(answer, 404, 409, 413, 415, 422, *unknown, why=body[:120])
    for leaked in (CANARY, "4111 1111", "Traceback", ".py", "pydantic"):
        assert leaked not in answer.text, (body[:120], answer.text[:400])


async def _allowed(mine: Things, operation: Operation) -> dict[str, str]:
    """The credentials of somebody who may do this: the API asks before it looks at the body's meaning."""
    return await who_may(mine, operation, headers=JSON, content=b'{"no such field": 1}')


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize("operation", WITH_BODY, ids=str)
async def test_a_bad_body_is_a_problem(api: Api, mine: Things, operation: Operation) -> None:
    assert operation.body is not None
    headers = await _allowed(mine, operation)
    signs = share(NOT_READABLE, operation, WITH_BODY, 3)
    unreadable = share(tuple(not_json()), operation, WITH_BODY, 5)
    for body in (*unreadable, *share(tuple(wrong_objects(operation.body, signs)), operation, WITH_BODY, 3)):
        answer = await api.http.request(
            operation.method, operation.fill(mine.ids), headers={**headers, **JSON}, content=body
        )
        await refuse(answer, body)


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize("operation", WITH_BODY, ids=str)
async def test_a_body_that_is_too_large_is_a_413(api: Api, mine: Things, operation: Operation) -> None:
    headers = {**await _allowed(mine, operation), **JSON}
    large = _json({"content": CANARY * 6_000})
    assert len(large) > 64 * 1024

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(large), 8_192):
            yield large[start : start + 8_192]

    contents: list[bytes | AsyncIterator[bytes]] = [large, pieces(), b" " * 65_537]
    for content in share(contents, operation, WITH_BODY, 3):
        answer = await api.http.request(operation.method, operation.fill(mine.ids), headers=headers, content=content)
        assert_problem(answer, code="payload_too_large")


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize("operation", WITH_BODY, ids=str)
async def test_a_body_of_another_type_is_a_415(api: Api, mine: Things, operation: Operation) -> None:
    headers = await _allowed(mine, operation)
    assert operation.body is not None
    good = _json({**example(operation.body), "unknown": 1})
    for kind in share(OTHER_TYPES, operation, WITH_BODY, 3):
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        answer = await api.http.request(
            operation.method,
            operation.fill(mine.ids),
            headers=[*raw, (b"Content-Type", kind.encode("latin-1"))],
            content=good,
        )
        assert_problem(answer, code="unsupported_media_type", why=kind)


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize("operation", [each for each in WITH_BODY if each.body_required], ids=str)
async def test_no_body_where_one_is_needed_is_a_problem(api: Api, mine: Things, operation: Operation) -> None:
    headers = await _allowed(mine, operation)
    for more in ({}, JSON):
        answer = await api.http.request(operation.method, operation.fill(mine.ids), headers={**headers, **more})
        assert_problem(answer, 422)


@pytest.mark.usefixtures("nothing_stored")
async def test_a_stream_that_is_asked_for_with_bad_input_is_a_problem_too(api: Api, mine: Things) -> None:
    path = f"{mine.customer.path}/messages"
    for body in (b"{", b'{"content": ""}', b'{"content": "\\ud800"}'):
        headers = {**mine.customer.headers, **JSON, "Accept": "text/event-stream"}
        assert_problem(await api.http.post(path, headers=headers, content=body), 422)
