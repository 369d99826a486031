"""Bad paths, queries, cursors and methods on every operation."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.api.conftest import Things, who_may
from tests.api.operations import Operation, example, kinds, operations, share
from tests.api.problems import assert_problem
from tests.caller import Api, Customer

CANARY = "kanarienvogel"
WITH_PATH = [each for each in operations() if each.path_parameters]
OF_SOMEBODY = [each for each in operations() if each.names_a_thing]
PATHS = sorted({each.path for each in operations()})
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "HEAD"})
WITH_QUERY = [each for each in operations() if each.query]
BAD_IDS = (
    CANARY,
    "%00",
    "0",
    "-1",
    "%FF%FE",
    "..%2f..%2fetc%2fpasswd",
    "%27%20OR%201=1--",
    "%F0%9F%92%B3",
    "a" * 8_000,
    "%0d%0aX:1",
    "00000000-0000-0000-0000-000000000000",
    "null",
    "undefined",
    "*",
    "%25s%25n",
    "99999999999999999999999999",
    str(uuid4()),
)
NO_TEXT = ("\x00", f"{CANARY}\x00")
BAD_TEXT = (
    *NO_TEXT,
    "%00",
    "%FF",
    "\ud83d",
    "9" * 5_000,
    "-1",
    "1e9",
    "nan",
    "inf",
    "-inf",
    "0x10",
    "",
    " ",
    "[]",
    "true",
    CANARY,
)


def cursor(value: object) -> str:
    return base64.urlsafe_b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).decode()


AN_ID = str(uuid4())
BAD_CURSORS = (
    CANARY,
    "=",
    "////",
    cursor(b"\xff\xfe"),
    cursor("text"),
    cursor(12),
    cursor(None),
    cursor([]),
    cursor({}),
    cursor([1, 2]),
    cursor([None, None]),
    cursor(["2026-01-01T00:00:00+00:00"]),
    cursor(["2026-01-01T00:00:00", AN_ID]),
    cursor(["2026-01-01T00:00:00+00:00", "x"]),
    cursor(["2026-01-01T00:00:00+00:00", 12]),
    cursor(["yesterday", AN_ID]),
    cursor(["0001-01-01T00:00:00+23:59", AN_ID]),
    cursor(["9999-12-31T23:59:59-23:59", AN_ID]),
    cursor({"a": 1, "b": 2}),
    cursor(["2026-01-01T00:00:00+00:00", AN_ID, 3]),
    cursor(b"[" * 140),
    "\x00",
    "ü",
    "x" * 201,
    "x" * 15_000,
)
BAD_OFFSETS = (
    "x",
    "1",
    "1.",
    ".1",
    "-1.0",
    "1.-1",
    "1.1.1",
    "1e3.0",
    "\x00",
    "٣.٣",
    "9" * 19 + ".0",
    "0." + "9" * 19,
    "1.0\n",
    "999999999999999999.0",
    "0.999999999999999999",
    "0x1.0",
    " 1.0",
    "x" * 65,
    "1.0,2.0",
    CANARY,
)


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize("operation", WITH_PATH, ids=str)
async def test_a_bad_id_in_the_path(api: Api, mine: Things, operation: Operation) -> None:
    """Who may not ask at all is asked once: no id opens that door. The first who may tries a share of them."""
    body = None if operation.body is None else example(operation.body)
    ids = share(BAD_IDS, operation, WITH_PATH, 3)
    tries = [(parameter, bad) for parameter in operation.path_parameters for bad in ids]
    for headers in (mine.customer.headers, mine.supervisor, mine.admin):
        for parameter, bad in tries:
            path = operation.fill({**mine.ids, parameter: bad})
            answer = await api.http.request(operation.method, path, headers=headers, json=body)
            assert_problem(answer, 403, 404, 405, 422, why=(operation, bad[:60]))
            assert CANARY not in answer.text
            if answer.status_code == 403:
                break
        else:
            break


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize("operation", WITH_QUERY, ids=str)
async def test_a_bad_query(api: Api, mine: Things, operation: Operation) -> None:
    """Whatever is no number where a number is due, no choice where there is one, and no text anywhere, is a 422."""
    body = None if operation.body is None else b"{"  # the query is wrong anyhow, and nothing must be stored
    for name, about in operation.query.items():
        known = kinds(about)
        free = not {"integer", "number"} & known.keys() and "enum" not in next(iter(known.values()))
        for bad in NO_TEXT if free else share(BAD_TEXT, operation, WITH_QUERY, 3):
            answer = await api.http.request(
                operation.method,
                f"{operation.fill(mine.ids)}?{name}={quote(bad.encode('utf-8', 'surrogatepass'))}",
                headers={**mine.supervisor, "Content-Type": "application/json"},
                content=body,
            )
            # What is not there is not there, whatever words are asked for.
            assert_problem(answer, 403, 422, *((404,) if free else ()), why=(operation, name, bad[:40]))
            assert CANARY not in answer.text


LISTS = [each for each in operations() if "cursor" in each.query]


@pytest.mark.parametrize("operation", LISTS, ids=str)
async def test_a_bad_cursor(api: Api, mine: Things, operation: Operation) -> None:
    reader = await who_may(mine, operation, params={"limit": 0})
    for bad in share(BAD_CURSORS, operation, LISTS, 4):
        answer = await api.http.get(operation.fill(mine.ids), params={"cursor": bad}, headers=reader)
        assert_problem(answer, 422, why=bad[:60])
    for limit in ("0", "201", "-1", "1.5", "x", "9" * 30, "1&limit=x"):
        answer = await api.http.get(f"{operation.fill(mine.ids)}?limit={limit}", headers=reader)
        assert_problem(answer, code="invalid_request", why=limit)


@pytest.mark.parametrize("operation", LISTS, ids=str)
async def test_pages_join_to_the_whole_list(api: Api, mine: Things, operation: Operation) -> None:
    path = operation.fill(mine.ids)
    reader = await who_may(mine, operation, params={"limit": 0})
    # The access log grows with every request: what is older than this one stays as it is.
    until = {"to": datetime.now(UTC).isoformat()} if "to" in operation.query else {}
    whole = (await api.http.get(path, params={"limit": 200, **until}, headers=reader)).json()["items"]
    wanted, got, at = [each["id"] for each in whole][:7], [], None
    for _ in wanted:
        params = {"limit": "1", **until, **({"cursor": at} if at else {})}
        page = (await api.http.get(path, params=params, headers=reader)).json()
        got += [each["id"] for each in page["items"]]
        at = page["next_cursor"]
    assert got == wanted


async def test_another_tenants_cursor_shows_nothing_of_theirs(
    api: Api, next_door: Api, mine: Things, theirs: Things
) -> None:
    await next_door.customer()
    await theirs.customer.open()
    page = await next_door.http.get("/v1/conversations", params={"limit": 1}, headers=theirs.supervisor)
    taken = page.json()["next_cursor"]
    theirs_ids = {theirs.ids["conversation_id"], theirs.customer.conversation}
    answer = await api.http.get("/v1/conversations", params={"cursor": taken, "limit": 200}, headers=mine.supervisor)
    assert answer.status_code == 200
    assert theirs_ids.isdisjoint(each["id"] for each in answer.json()["items"])


async def test_a_bad_offset(api: Api, mine: Things) -> None:
    path = f"{mine.customer.path}/events"
    for bad in BAD_OFFSETS:
        after = await api.http.get(path, params={"after": bad}, headers=mine.customer.headers)
        assert_problem(after, 422, why=repr(bad))
        if bad.isascii() and bad.isprintable() and bad == bad.strip():
            answer = await api.http.get(path, headers={**mine.customer.headers, "Last-Event-ID": bad})
            assert_problem(answer, 422, why=repr(bad))
            assert CANARY not in answer.text


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize("path", PATHS)
async def test_other_methods_are_refused_and_the_right_ones_named(api: Api, mine: Things, path: str) -> None:
    there = {each.method: each.fill(mine.ids) for each in operations() if each.path == path}
    for method in share(sorted(METHODS - there.keys()), path, PATHS, 3):
        answer = await api.http.request(method, next(iter(there.values())), headers=mine.supervisor)
        assert_problem(answer, 405, why=(method, path))
        assert set(answer.headers["allow"].replace(" ", "").split(",")) == there.keys(), (method, path)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/",
        "/v1/conversations/",
        "/v2/conversations",
        "/v1/conversation",
        "//v1/conversations",
        "/v1//conversations",
        "/%00",
        "/%ff",
        "/v1/conversations%00",
        "/..%2f..%2fetc/passwd",
        "/web/chat.html",
        "/.env",
        "/.git/config",
        "/api/app.py",
        "/v1/auth/login/",
        "/docs/",
        "/healthz/",
        "/v1/conversations;x=1",
        "/" + "a" * 8_000,
        "/widget/../api/app.py",
        "/%2e%2e/x",
    ],
)
async def test_an_unknown_path_is_a_404_and_never_a_redirect(api: Api, mine: Things, path: str) -> None:
    for method in ("GET", "POST"):
        answer = await api.http.request(method, path, headers={**mine.customer.headers, "Host": "evil.example"})
        assert_problem(answer, 404, code="not_found")


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize("operation", OF_SOMEBODY, ids=str)
async def test_ids_of_others_do_not_exist(
    api: Api, mine: Things, theirs: Things, stranger: Customer, operation: Operation
) -> None:
    """Two tenants, two customers, over every operation: 404, and not a word of theirs."""
    body = None if operation.body is None else example(operation.body)
    if body is not None and "action" in body:
        body = {"action": "resolve"}
    for headers in (mine.customer.headers, mine.supervisor, mine.admin, stranger.headers):
        ids = mine.ids if headers is stranger.headers else theirs.ids
        answer = await api.http.request(operation.method, operation.fill(ids), headers=headers, json=body)
        assert_problem(answer, 403, 404, why=operation)
        # A version's number is no secret.
        for canary in {theirs.customer.id, *(each for each in theirs.ids.values() if not each.isdigit())}:
            assert canary not in answer.text
