"""Five characters of a hash are all that leaves; and whatever the service does, nobody is kept from a password."""

from __future__ import annotations

import hashlib

import pytest
from structlog.testing import capture_logs

from helios.identity.breached import Breached, parse_range
from tests.identity.http_server import ok, serving

PASSWORD = "correct horse battery staple"
DIGEST = hashlib.sha1(PASSWORD.encode()).hexdigest().upper()
OTHERS = "\r\n".join(f"{n:035X}:{n}" for n in range(1, 800))


async def knows(url: str, password: str = PASSWORD) -> bool:
    breached = Breached(url)
    try:
        return await breached.knows(password)
    finally:
        await breached.close()


async def test_a_breached_password_is_known_and_only_a_prefix_of_its_hash_leaves() -> None:
    async with serving(lambda _: ok(f"{OTHERS}\r\n{DIGEST[5:]}:37\r\n")) as (url, heads):
        assert await knows(url)
        assert not await knows(url, "another one that nobody lost")
    assert heads[0].startswith(f"GET /range/{DIGEST[:5]} HTTP/1.1\r\n")
    assert "add-padding: true" in heads[0].lower()
    assert DIGEST[5:] not in str(heads)


async def test_padding_is_no_breach() -> None:
    async with serving(lambda _: ok(f"{DIGEST[5:]}:0\r\n{OTHERS}")) as (url, _):
        assert not await knows(url)


BAD = {
    "an error": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
    "too many requests": b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n",
    "nothing": b"",
    "no HTTP": b"\x00\x01\x02\r\n\r\n",
    "a page": ok("<html>maintenance</html>"),
    "half a line": ok(f"{OTHERS}\r\n0123"),
    "other letters": ok("é" * 40),
    "an end too early": f"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n{OTHERS}".encode(),
    "no end": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"A" * 1_000_000,
    "another place": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("answer", BAD.values(), ids=BAD)
async def test_what_is_no_answer_fails_open_and_is_logged(answer: bytes) -> None:
    async with serving(lambda _: answer) as (url, _):
        with capture_logs() as logs:
            assert not await knows(url)
    assert [each["event"] for each in logs if each["log_level"] == "warning"] == ["breached passwords not asked"]
    assert DIGEST[5:] not in str(logs)
    assert PASSWORD not in str(logs)


async def test_a_server_that_is_not_there_fails_open_and_off_asks_nobody() -> None:
    assert not await knows("http://127.0.0.1:1")
    assert not await knows("")


def test_a_range_is_read_strictly() -> None:
    assert parse_range(f"{DIGEST[5:].lower()}:2\n") == {DIGEST[5:]: 2}
    for bad in ("x", f"{DIGEST[5:]}", f"{DIGEST[5:]}:x", f"{DIGEST}:1", f"{DIGEST[5:]}:١"):
        with pytest.raises(ValueError, match="range"):
            parse_range(bad)
