"""Requests to addresses that somebody else chose: a page to ingest, a webhook, a tool.

The wall stands where the connection is made. A name is resolved once, every address that it has must be public, and the
connection goes to that very address, so that a second answer of the name server changes nothing. TLS and the `Host`
header keep the name. Each redirect begins anew. Sizes and times have an end. Nothing of ours is read from a proxy's
environment variables.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

import httpcore

from helios.addresses import Address, is_public, parse

URL_MAX = 2_048
PORTS = frozenset({80, 443})
DEFAULT_PORT = {"http": 80, "https": 443}
REDIRECTS = frozenset({301, 302, 303, 307, 308})
CONNECT_WITHIN_S = 5.0
# A name whose last label begins with a digit is an address in disguise: 2130706433, 0x7f.1, 127.1 (WHATWG URL, 3.5).
NAME = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
PATH = re.compile(r"[!-~]*", re.ASCII)
NOT_IN_A_PATH = frozenset('\\"<>^`{|}')
OURS_ALONE = frozenset({"authorization", "cookie", "webhook-id", "webhook-signature", "webhook-timestamp"})
"""Headers that another origin does not get when it is redirected to."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class UrlRefused(Exception):
    """We do not go there. `reason` is a word for people and metrics; it holds nothing of the URL."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class FetchFailed(Exception):
    """We went, and got no usable answer. `reason` as above."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that has passed the wall's first half."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == DEFAULT_PORT[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port


@dataclass(frozen=True, slots=True)
class Answer:
    url: str
    status: int
    headers: dict[str, str]
    body: bytes


def check_url(url: str, ports: Container[int] = PORTS, may_reach: Callable[[Address], bool] = is_public) -> Target:
    """The parts of a URL that every reader of URLs reads alike. Raises `UrlRefused`."""
    if len(url) > URL_MAX or not PATH.fullmatch(url) or NOT_IN_A_PATH & set(url):
        raise UrlRefused("characters")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise UrlRefused("form") from None
    if parts.scheme not in DEFAULT_PORT:
        raise UrlRefused("scheme")
    if "@" in parts.netloc or "%" in parts.netloc or not host:
        raise UrlRefused("host")
    port = DEFAULT_PORT[parts.scheme] if port is None else port
    if port not in ports:
        raise UrlRefused("port")
    return Target(parts.scheme, _host(host, may_reach), port, _path(parts))


def _host(host: str, may_reach: Callable[[Address], bool]) -> str:
    address = parse(host)
    if address is not None:
        if not may_reach(address):
            raise UrlRefused("address")
        return str(address)
    if not NAME.fullmatch(host):
        raise UrlRefused("host")
    return host


def _path(parts: SplitResult) -> str:
    """Without the fragment, which is the reader's own business."""
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


async def system_resolver(host: str, port: int) -> Sequence[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


class _Wall(httpcore.AsyncNetworkBackend):
    """Connects to checked addresses only: the second half of the wall, and the one that counts."""

    def __init__(
        self, resolve: Resolve, dial: httpcore.AsyncNetworkBackend, may_reach: Callable[[Address], bool]
    ) -> None:
        self._resolve = resolve
        self._dial = dial
        self._may_reach = may_reach

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.AsyncNetworkStream:  # fmt: skip
        for address in await self._checked(host, port):
            try:
                return await self._dial.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        raise httpcore.ConnectError

    async def _checked(self, host: str, port: int) -> Sequence[str]:
        found = [host] if parse(host) else await self._resolve(host, port)
        addresses = [parse(each) for each in found]
        # One that is not public among others that are is no accident.
        if not addresses or not all(each is not None and self._may_reach(each) for each in addresses):
            raise UrlRefused("address")
        return [str(each) for each in addresses]

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        raise UrlRefused("address")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Outbound:
    """Fetches what others point at. `resolve` and `dial` are the system's own, unless a test has its own network.

    `may_reach`: which addresses; public ones, unless the operator has said otherwise.
    """

    def __init__(
        self,
        *,
        ports: Container[int] = PORTS,
        may_reach: Callable[[Address], bool] = is_public,
        resolve: Resolve = system_resolver,
        dial: httpcore.AsyncNetworkBackend | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._ports = ports
        self._may_reach = may_reach
        self._wall = _Wall(resolve, dial or httpcore.AnyIOBackend(), may_reach)
        self._tls = tls or ssl.create_default_context()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        size_max: int = 1_000_000,
        within_s: float = 10.0,
        redirects_max: int = 0,
    ) -> Answer:
        """The answer, whatever its status. Raises `UrlRefused` or `FetchFailed`."""
        target, sent = check_url(url, self._ports, self._may_reach), dict(headers or {})
        try:
            async with asyncio.timeout(within_s):
                for _ in range(redirects_max + 1):
                    answer = await self._once(method, target, sent, content, size_max)
                    if answer.status not in REDIRECTS or redirects_max == 0 or method != "GET":
                        return answer
                    target, sent = self._follow(target, answer, sent)
        except TimeoutError:
            raise FetchFailed("timeout") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError):
            # `from None`: the library's message may quote the address.
            raise FetchFailed("connection") from None
        raise FetchFailed("redirects")

    async def _once(
        self, method: str, target: Target, headers: Mapping[str, str], content: bytes, size_max: int
    ) -> Answer:
        # Unpacked, an answer could be a thousand times its size: it is asked for plain, and refused otherwise.
        sent = {"Host": _host_header(target), "User-Agent": "HeliosCS", "Accept-Encoding": "identity", **headers}
        if content:
            sent["Content-Length"] = str(len(content))
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), CONNECT_WITHIN_S)
        async with (
            httpcore.AsyncConnectionPool(ssl_context=self._tls, network_backend=self._wall, retries=0) as pool,
            pool.stream(method, target.url, headers=list(sent.items()), content=content,
                        extensions={"timeout": timeouts}) as response,
        ):  # fmt: skip
            told = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
            if told.get("content-encoding", "identity").lower() != "identity":
                raise FetchFailed("encoding")
            return Answer(target.url, response.status, told, await _read(response, told, size_max))

    def _follow(self, target: Target, answer: Answer, headers: dict[str, str]) -> tuple[Target, dict[str, str]]:
        location = answer.headers.get("location")
        if not location:
            raise FetchFailed("redirects")
        following = check_url(urljoin(target.url, location), self._ports, self._may_reach)
        if target.scheme == "https" and following.scheme == "http":
            raise UrlRefused("scheme")
        if following.origin != target.origin:
            headers = {name: value for name, value in headers.items() if name.lower() not in OURS_ALONE}
        return following, headers


async def _read(response: httpcore.Response, told: Mapping[str, str], size_max: int) -> bytes:
    declared = told.get("content-length", "0")
    if declared.isdigit() and int(declared[:20]) > size_max:
        raise FetchFailed("size")
    body = bytearray()
    async for part in response.aiter_stream():
        body += part
        if len(body) > size_max:
            raise FetchFailed("size")
    return bytes(body)


def _host_header(target: Target) -> str:
    return target.url.split("/", 3)[2]
