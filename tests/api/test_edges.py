"""What stands at the edge: headers, hosts, origins, ids, sizes, and problems for whatever comes."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI, Request
from sqlalchemy import text
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from api import errors, server
from api.bodies import Bodies
from api.compression import COMPRESSED
from api.problems import CODES, MEDIA_TYPE
from helios.database import Database
from helios.embedded.supervisor import Stack
from tests.api.beside import api_beside
from tests.api.conftest import Things
from tests.api.operations import Operation, example, operations
from tests.api.problems import assert_problem
from tests.caller import Api, Customer
from tests.neighbour import Neighbour
from tests.published_document import document

SITE, OTHER_SITE = "https://service.bank.example", "https://www.other.example:8443"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, content-type"}
PAGES = ("/chat", "/docs", "/docs/errors", "/docs/permissions", "/docs/limits")


def taken_headers() -> set[str]:
    """The headers that some operation takes, by the document."""
    return {
        each["name"].lower()
        for verbs in document()["paths"].values()
        for operation in verbs.values()
        for each in operation.get("parameters", ())
        if each["in"] == "header"
    }


async def raw(api: Api, sent: bytes) -> bytes:
    """What the server says to these bytes before it hangs up."""
    address = urlsplit(api.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(sent)
    async with asyncio.timeout(30):
        try:
            heard = await reader.read()
        except ConnectionResetError:
            heard = b""
    writer.close()
    return heard


def problem_in(heard: bytes) -> dict[str, Any]:
    head, _, body = heard.partition(b"\r\n\r\n")
    assert MEDIA_TYPE.encode() in head, heard[:300]
    said: dict[str, Any] = json.loads(body)
    assert head.startswith(b"HTTP/1.1 %d " % said["status"])
    assert CODES[said["code"]].status == said["status"]
    return said


@pytest.mark.parametrize("path", [*PAGES, "/openapi.json", "/healthz", "/v1/auth/me", "/nothing", "/widget.js"])
async def test_every_answer_has_the_headers_that_a_browser_heeds(api: Api, path: str) -> None:
    headers = (await api.http.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == ("cross-origin" if path == "/widget.js" else "same-origin")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert "camera=()" in headers["permissions-policy"]
    assert "strict-transport-security" not in headers, "nobody may be sent to an https that is not there"
    if path.startswith("/v1/"):
        assert headers["cache-control"] == "no-store"


async def test_behind_https_browsers_are_told_to_stay_there(stack: Stack) -> None:
    async with api_beside(stack, public_url="https://service.bank.example") as client:
        answer = await client.get("/healthz", headers={"Host": "service.bank.example"})
        assert answer.headers["strict-transport-security"] == "max-age=31536000"


async def test_another_host_is_refused_where_ours_is_known(stack: Stack) -> None:
    async with api_beside(stack, public_url="https://service.bank.example/", allowed_hosts=("inside.example",)) as it:
        for host in ("service.bank.example", "service.bank.example:443", "SERVICE.bank.example", "inside.example:1"):
            assert (await it.get("/docs", headers={"Host": host})).status_code == 200, host
        near = ("service.bank.example.evil.example", "service.bank.example@evil.example", "service.bank.example/..")
        for host in (*near, "evil.example", "", "a b", "[::1]", "127.0.0.1"):
            assert_problem(await it.get("/docs", headers={"Host": host}), 421, code="misdirected_request")
        assert (await it.get("/healthz", headers={"Host": "10.0.0.7"})).status_code == 200
        both = [("Host", "service.bank.example"), ("Host", "inside.example")]
        assert_problem(await it.get("/healthz", headers=both), 421, code="misdirected_request")


async def test_proxy_headers_are_believed_of_trusted_proxies_only(stack: Stack, api: Api) -> None:
    """The running stack trusts none: who says that it came by https is not told to stay there."""
    answer = await api.http.get("/healthz", headers={"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"})
    assert "strict-transport-security" not in answer.headers


async def test_a_request_id_is_taken_over_where_it_is_a_uuid_and_made_otherwise(api: Api) -> None:
    mine = str(uuid4())
    assert (await api.http.get("/nothing", headers={"X-Request-Id": mine})).json()["request_id"] == mine
    for bad in ("1", "4111111111111111", "x" * 500, "a\tb", mine + "x", mine.upper(), "{}", "<script>"):
        answer = await api.http.get("/nothing", headers={"X-Request-Id": bad})
        assert answer.json()["request_id"] == answer.headers["x-request-id"] != bad


@pytest.fixture
async def sites(database: Database, tenant_id: Any, neighbour: Neighbour) -> AsyncIterator[None]:
    """The demo bank's site and the neighbour's."""
    put = text("UPDATE tenants SET settings = settings || CAST(:own AS jsonb) WHERE id = :id")
    take = text("UPDATE tenants SET settings = settings - 'allowed_origins' WHERE id = :id")
    both = {tenant_id: SITE, neighbour.tenant_id: OTHER_SITE}
    for each, site in both.items():
        async with database.tenant(each) as connection:
            await connection.execute(put, {"own": json.dumps({"allowed_origins": [site]}), "id": each})
    yield
    for each in both:
        async with database.tenant(each) as connection:
            await connection.execute(take, {"id": each})


@pytest.mark.usefixtures("sites")
async def test_a_page_reads_answers_of_its_own_tenant_only(stack: Stack, mine: Things, theirs: Things) -> None:
    ours, theirs_too = mine.customer.headers, theirs.customer.headers
    async with api_beside(stack) as client:
        for headers, origin, readable in (
            (ours, SITE, True),
            (ours, OTHER_SITE, False),
            (theirs_too, OTHER_SITE, True),
            (theirs_too, SITE, False),
            (ours, "https://evil.example", False),
            (ours, "null", False),
            (ours, SITE + ".evil.example", False),
            ({}, SITE, True),
            ({}, "https://evil.example", False),
        ):
            answer = await client.get("/v1/auth/me", headers={**headers, "Origin": origin})
            assert (answer.headers.get("access-control-allow-origin") == origin) is readable, (origin, readable)
            assert readable or "access-control-allow-origin" not in answer.headers
            assert "origin" in answer.headers["vary"].lower()
            assert "access-control-allow-credentials" not in answer.headers
        missing = await client.get(f"/v1/conversations/{uuid4()}", headers={**ours, "Origin": SITE})
        assert missing.status_code == 404
        assert missing.headers["access-control-allow-origin"] == SITE, "a page must be able to read its errors"


@pytest.mark.usefixtures("sites")
async def test_a_preflight_is_answered_for_sites_that_a_tenant_has_named(stack: Stack) -> None:
    async with api_beside(stack) as client:
        allowed = await client.options("/v1/conversations", headers={"Origin": SITE, **PREFLIGHT})
        assert allowed.status_code == 204
        assert allowed.headers["access-control-allow-origin"] == SITE
        # What a page may send: what operations take, but an API key, which belongs into a backend.
        may = allowed.headers["access-control-allow-headers"].lower().split(", ")
        assert {*taken_headers(), "authorization", "content-type"} - {"x-api-key"} <= set(may)
        assert "x-api-key" not in may
        assert "access-control-allow-credentials" not in allowed.headers
        for evil in ("https://evil.example", "null", "*", SITE + "/"):
            refused = await client.options("/v1/conversations", headers={"Origin": evil, **PREFLIGHT})
            assert_problem(refused, code="origin_not_allowed")
            assert "access-control-allow-origin" not in refused.headers


async def test_a_websocket_from_a_page_of_an_unknown_origin_is_refused(api: Api, mine: Things) -> None:
    url = api.url.replace("http://", "ws://") + f"{mine.customer.path}/ws"
    with pytest.raises(InvalidStatus) as refused:
        await connect(url, additional_headers=mine.customer.headers, origin="https://evil.example").__aenter__()  # type: ignore[arg-type]
    assert refused.value.response.status_code == 403
    assert json.loads(refused.value.response.body or b"")["code"] == "origin_not_allowed"
    async with connect(url, additional_headers=mine.customer.headers, origin=api.url):  # type: ignore[arg-type]
        pass


@pytest.mark.parametrize("path", ["/v1/nothing/ws", "/v1/conversations/x/ws", "/"])
async def test_a_websocket_to_nowhere_is_a_problem(api: Api, path: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(api.url.replace("http://", "ws://") + path).__aenter__()
    answer = refused.value.response
    assert answer.status_code == 404
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert json.loads(answer.body or b"")["code"] == "not_found"


async def test_json_is_compressed_where_it_holds_no_secret_and_nowhere_else(api: Api, mine: Things) -> None:
    wanted = {"Accept-Encoding": "gzip"}
    async with api.http.stream("GET", "/openapi.json", headers=wanted) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        assert "accept-encoding" in answer.headers["vary"].lower()
        packed = b"".join([each async for each in answer.aiter_raw()])
    assert json.loads(gzip.decompress(packed))["openapi"]
    for path in (mine.customer.path, f"{mine.customer.path}/messages", "/v1/auth/me"):
        told = await api.http.get(path, headers={**mine.customer.headers, **wanted})
        assert "content-encoding" not in told.headers, path


@pytest.mark.parametrize("secret", ["/v1/auth/login", "/v1/customer-tokens", "/v1/api-keys", "/v1/users",
                                    "/v1/conversations", "/v1/escalations", "/v1/webhooks", "/v1/privacy",
                                    "/v1/audit", "/demo/session"])  # fmt: skip
def test_no_path_with_secrets_is_among_the_compressed(secret: str) -> None:
    assert not secret.startswith(COMPRESSED)
    assert not any(each.startswith(secret + "/") for each in COMPRESSED)


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize(
    # A provider may add parameters of its own to where it sends people back (RFC 6749, section 4.1.2).
    "operation",
    [each for each in operations() if each.path.startswith("/v1/") and not each.path.endswith("/callback")],
    ids=str,
)
async def test_an_unknown_query_parameter_is_refused(api: Api, mine: Things, operation: Operation) -> None:
    body = None if operation.body is None else example(operation.body)
    answer = await api.http.request(
        operation.method, operation.fill(mine.ids), params={"kanarienvogel": "1"}, json=body, headers=mine.supervisor
    )
    assert_problem(answer, 403, 422, why=operation)
    assert "kanarienvogel" not in answer.text


@pytest.mark.parametrize("sent", [
    b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"nonsense\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\nHost x\r\n\r\n",
])  # fmt: skip
async def test_what_is_not_http_is_a_problem_that_repeats_nothing(api: Api, sent: bytes) -> None:
    heard = await raw(api, sent)
    assert problem_in(heard)["code"] == "malformed_request"


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"GET /" + b"a" * 17_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", "uri_too_long"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 33_000 + b"\r\n\r\n", "headers_too_large"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 33_000, "headers_too_large"),
        (b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 6_000, "headers_too_large"),
    ],
)
async def test_a_head_has_an_end(api: Api, sent: bytes, code: str) -> None:
    assert problem_in(await raw(api, sent))["code"] == code


async def test_a_head_that_drips_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection's own clock, turned forward: on a line of its own, before and after a first request."""
    monkeypatch.setattr(server, "HEAD_WITHIN_S", 0.2)
    async with small_server() as port:
        for first in (b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(first + b"GET / HTTP/1.1\r\nHo")
            async with asyncio.timeout(10):
                heard = await reader.read()
            assert b"request_timeout" in heard
            assert heard.count(b"HTTP/1.1 ") == (2 if first else 1)
            writer.close()


def small_server() -> Any:
    from tests.api.serving import serving

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    return serving(app)


async def test_a_body_that_drips_is_ended() -> None:
    app = FastAPI()
    errors.install(app)

    @app.post("/")
    async def read(request: Request) -> dict[str, int]:
        return {"size": len(await request.body())}

    gone = asyncio.Event()

    async def drips() -> AsyncIterator[bytes]:
        yield b"x"
        await gone.wait()

    transport = httpx.ASGITransport(Bodies(app, body_within_s=0.1))
    async with httpx.AsyncClient(transport=transport, base_url="http://drips") as client:
        async with asyncio.timeout(10):
            answer = await client.post("/", content=drips())
        assert_slow(answer)
        assert (await client.post("/", content=b"xy")).json() == {"size": 2}


def assert_slow(answer: httpx.Response) -> None:
    assert answer.status_code == 408
    assert answer.json()["code"] == "request_timeout"


async def test_answers_on_no_route_are_problems_too(api: Api, stranger: Customer) -> None:
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
        assert_problem(await api.http.request(method, "/v1/nothing"), 404, code="not_found")
        assert (await api.http.request(method, "/v1/nothing")).headers["cache-control"] == "no-store"
    head = await api.http.head("/v1/nothing")
    assert head.status_code == 404
    assert head.content == b""
