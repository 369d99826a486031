"""Wherever a URL leads, we only ever connect to public addresses: of hundreds of ways to write others, none is."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import httpcore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from helios import addresses
from helios.addresses import is_public
from helios.outbound import FetchFailed, Outbound, UrlRefused, check_url

INTERNAL_V4 = (
    *("127.0.0.1", "127.1.2.3", "127.255.255.254", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.254"),
    *("192.168.0.1", "192.168.255.255", "169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200"),
    *("0.0.0.0", "0.1.2.3", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.7", "224.0.0.1"),
    *("239.255.255.250", "240.0.0.1", "255.255.255.255", "168.63.129.16", "192.88.99.1"),
)
INTERNAL_V6 = (
    *("::", "::1", "fe80::1", "fe80::a9fe:a9fe", "fec0::1", "fc00::1", "fd00:ec2::254", "fdff::1", "ff02::1"),
    *("ff0e::1", "2001:db8::1", "3fff::1", "100::1", "2001:10::1", "2001:2::1", "5f00::1", "4000::1", "e000::1"),
)
PUBLIC, PUBLIC_V6 = "93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"


def written(address: str) -> list[str]:
    """The many hosts that some reader of URLs takes for this IPv4 address."""
    number = int(IPv4Address(address))
    a, b, c, d = address.split(".")
    low = f"{number >> 16:x}:{number & 0xFFFF:x}"
    flipped = number ^ 0xFFFFFFFF
    return [
        *(address, f"{address}.", str(number), hex(number), f"0{number:o}", f"0x{number:08X}", str(number + 2**32)),
        *(".".join(hex(int(each)) for each in (a, b, c, d)), ".".join(f"0{int(each):o}" for each in (a, b, c, d))),
        *(f"{a}.{(int(b) << 16) + (int(c) << 8) + int(d)}", f"{a}.{b}.{(int(c) << 8) + int(d)}", f"0{a}.{b}.{c}.{d}"),
        *(f"0x{int(a):x}.{b}.0{int(c):o}.{d}", f"{a}.{b}.{c}.{d}.", f"{a}。{b}。{c}。{d}", f"{a}%2e{b}%2e{c}%2e{d}"),
        *("".join(chr(ord(each) + 0xFEE0) if each.isdigit() else each for each in address), f"{a}.{b}.{c}.{d}\u3002"),
        *(f"[::ffff:{address}]", f"[::ffff:{low}]", f"[::{address}]", f"[::ffff:0:{address}]", f"[0::ffff:{low}]"),
        *(f"[64:ff9b::{address}]", f"[64:ff9b::{low}]", f"[64:ff9b:1::{address}]", f"[2002:{low}::1]"),
        *(f"[2001:0:53aa:64c:0:ffff:{flipped >> 16:x}:{flipped & 0xFFFF:x}]", f"[2606:4700::5efe:{low}]"),
        *(f"[2606:4700::200:5efe:{low}]", f"[fe80::5efe:{address}]", f"[::ffff:{address}%25lo]", f"[{address}]"),
        *(f"{PUBLIC}@{address}", f"user:word@{address}", f"{PUBLIC}%40{address}", f"{address}\\@{PUBLIC}"),
        *(f"{address}%00.example.com", f"{address}%0d%0a", f" {address}", f"{address}\t", f"{address}\n"),
    ]  # fmt: skip


HOSTS = [host for address in INTERNAL_V4 for host in written(address)]
HOSTS += [f"[{each}{zone}]" for each in INTERNAL_V6 for zone in ("", "%25eth0", "%lo")]
HOSTS += [
    "localhost",
    "LOCALHOST",
    "localhost.",
    "local",
    "a",
    "-a.example",
    "a..example",
    "x" * 254,
    "",
    "@",
    "[",
    "[]",
]


@dataclass
class Internet(httpcore.AsyncNetworkBackend):
    """A network in which public addresses are servers of the test, and every attempt to connect is written down."""

    servers: dict[str, int] = field(default_factory=dict)
    connected: list[str] = field(default_factory=list)

    async def connect_tcp(self, host: str, port: int, *more: Any) -> httpcore.AsyncNetworkStream:
        self.connected.append(host)
        if host not in self.servers:
            raise httpcore.ConnectError
        return await httpcore.AnyIOBackend().connect_tcp("127.0.0.1", self.servers[host], *more)


@dataclass
class Names:
    """A name server; each question takes the next answer, the last one stays."""

    answers: Mapping[str, list[list[str]]]
    asked: list[str] = field(default_factory=list)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        answers = self.answers.get(host)
        if not answers:
            raise OSError("no such name")
        return answers.pop(0) if len(answers) > 1 else answers[0]


@dataclass
class Site:
    """A server that answers by path, and remembers what it was asked."""

    answers: dict[str, bytes]
    heard: list[bytes] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            self.heard.append(request)
            writer.write(self.answers.get(request.split(b" ")[1].decode(), b"HTTP/1.1 404 No\r\n\r\n"))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


def ok(body: bytes = b"hello", *headers: str) -> bytes:
    more = "".join(f"{each}\r\n" for each in headers)
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


def moved(to: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Moved\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site({"/": ok()})
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


def test_there_are_enough_of_them() -> None:
    assert len(set(HOSTS)) >= 500


async def test_no_way_to_write_an_internal_address_is_connected(site: Site) -> None:
    """A real server listens on this machine, and really would be reached: its port is among the allowed ones."""
    net, names = Internet(dict.fromkeys(INTERNAL_V4, site.port)), Names({})
    outbound = Outbound(ports=frozenset({80, 443, site.port}), resolve=names, dial=net)
    wrong = []
    for host in HOSTS:
        for url in (f"http://{host}:{site.port}/", f"https://{host}/", f"http://{host}"):
            try:
                wrong.append((url, await outbound.request("GET", url, within_s=5)))
            except (UrlRefused, FetchFailed):
                continue
    assert not wrong
    assert not net.connected
    assert not site.heard


async def test_no_name_of_an_internal_address_is_connected(site: Site) -> None:
    net = Internet(dict.fromkeys(INTERNAL_V4, site.port))
    addresses = (*INTERNAL_V4, *INTERNAL_V6, *(f"::ffff:{each}" for each in INTERNAL_V4))
    alone = {f"n{n}.example": [[address]] for n, address in enumerate(addresses)}
    mixed = {f"m{n}.example": [[PUBLIC, address]] for n, address in enumerate(addresses)}
    outbound = Outbound(resolve=Names({**alone, **mixed}), dial=net)
    for name in (*alone, *mixed):
        with pytest.raises(UrlRefused, match="address"):
            await outbound.request("GET", f"http://{name}/")
    assert not net.connected


async def test_a_public_address_is_connected_under_its_name(site: Site) -> None:
    net, names = Internet({PUBLIC: site.port}), Names({"www.example": [[PUBLIC]]})
    answer = await Outbound(resolve=names, dial=net).request("GET", "http://www.example/?a=1#there")
    assert answer.status == 404
    assert net.connected == [PUBLIC]
    assert site.heard[0].startswith(b"GET /?a=1 HTTP/1.1\r\n")
    assert b"Host: www.example\r\n" in site.heard[0]
    assert (await Outbound(resolve=names, dial=net).request("GET", f"http://{PUBLIC}/")).body == b"hello"


async def test_a_name_that_changes_its_mind_is_asked_once_and_never_followed_inside(site: Site) -> None:
    net = Internet({PUBLIC: site.port, "127.0.0.1": site.port})
    names = Names({"rebind.example": [[PUBLIC], ["127.0.0.1"]]})
    outbound = Outbound(resolve=names, dial=net)
    assert (await outbound.request("GET", "http://rebind.example/")).status == 200
    assert names.asked == ["rebind.example"]
    with pytest.raises(UrlRefused, match="address"):
        await outbound.request("GET", "http://rebind.example/")
    assert net.connected == [PUBLIC]


@pytest.mark.parametrize("to", [
    "http://169.254.169.254/latest/meta-data/", "http://[::ffff:169.254.169.254]/", "http://2852039166/",
    "//169.254.169.254/", "http://inside.example/", "http://user@169.254.169.254/", "http://www.example:22/",
    "file:///etc/passwd", "gopher://www.example/", "http://metadata/", "\\\\169.254.169.254\\",
])  # fmt: skip
async def test_a_redirect_is_checked_like_the_first_address(site: Site, to: str) -> None:
    net = Internet({PUBLIC: site.port, "169.254.169.254": site.port})
    names = Names({"www.example": [[PUBLIC]], "inside.example": [["169.254.169.254"]]})
    for status in (301, 302, 303, 307, 308):
        site.answers["/go"] = moved(to, status)
        with pytest.raises((UrlRefused, FetchFailed)):
            await Outbound(resolve=names, dial=net).request("GET", "http://www.example/go", redirects_max=3)
    assert set(net.connected) == {PUBLIC}


async def test_a_redirect_goes_on_without_what_was_meant_for_the_first_alone(site: Site) -> None:
    net = Internet({PUBLIC: site.port, PUBLIC_V6: site.port})
    names = Names({"a.example": [[PUBLIC]], "b.example": [[PUBLIC_V6]]})
    site.answers |= {"/go": moved("http://b.example/"), "/round": moved("/round")}
    outbound, sent = Outbound(resolve=names, dial=net), {"Authorization": "secret", "X-Other": "1"}
    answer = await outbound.request("GET", "http://a.example/go", headers=sent, redirects_max=1)
    assert (answer.status, answer.url) == (200, "http://b.example/")
    assert b"secret" in site.heard[0]
    assert b"secret" not in site.heard[1]
    assert b"X-Other: 1" in site.heard[1]
    with pytest.raises(FetchFailed, match="redirects"):
        await outbound.request("GET", "http://a.example/round", redirects_max=3)
    assert (await outbound.request("GET", "http://a.example/go")).status == 302, "followed only where asked for"


async def test_sizes_and_times_have_an_end(site: Site) -> None:
    endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1000\r\n" + b"x" * 4_096 + b"\r\n"
    site.answers |= {
        "/declared": ok(b"x" * 5_000),
        "/chunked": endless + b"1000\r\n" + b"x" * 4_096 + b"\r\n0\r\n\r\n",
        "/packed": ok(b"x", "Content-Encoding: gzip"),
        "/garbage": b"\x00\x01\x02\r\n\r\n",
        "/head": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000,
    }
    outbound = Outbound(resolve=Names({"www.example": [[PUBLIC]]}), dial=Internet({PUBLIC: site.port}))
    for path, reason in (("declared", "size"), ("chunked", "size"), ("packed", "encoding"), ("garbage", "connection"),
                         ("head", "connection")):  # fmt: skip
        with pytest.raises(FetchFailed, match=reason):
            await outbound.request("GET", f"http://www.example/{path}", size_max=4_500)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    slow = Outbound(resolve=Names({"www.example": [[PUBLIC]]}), dial=Internet({PUBLIC: port}))
    with pytest.raises(FetchFailed, match="timeout"):
        await slow.request("GET", "http://www.example/", within_s=0.2)
    server.close()


@pytest.mark.parametrize("url", [
    "", "x", "/etc/passwd", "file:///etc/passwd", "ftp://www.example/", "gopher://www.example:70/_x", "data:,x",
    "http://www.example:22/", "http://www.example:6379/", "http://www.example:0/", "http://www.example:99999/",
    "http://www.example:80a/", "http://www.example/\r\nX: 1", "http://www.example/ x", "http://www.example\\x",
    "http://ww\u0455.example/", "http://www.example/\x00", "http://" + "a" * 3_000 + ".example/", "http:///x",
    "javascript:alert(1)", "HTTP//x", "http://:80/", "http://www.example@", "http://user@www.example/",
])  # fmt: skip
def test_what_is_no_plain_web_address_is_refused(url: str) -> None:
    with pytest.raises(UrlRefused):
        check_url(url)


def test_every_address_that_is_not_global_unicast_is_refused() -> None:
    for each in (*INTERNAL_V4, *INTERNAL_V6):
        assert not is_public(ipaddress.ip_address(each)), each
    for each in (PUBLIC, PUBLIC_V6, "8.8.8.8", "1.1.1.1", "2001:4860:4860::8888"):
        assert is_public(ipaddress.ip_address(each)), each


async def test_tls_is_checked_against_the_name_and_not_the_address(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path, "secure.example")
    asked: list[str | None] = []
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate)
    serving.sni_callback = lambda _socket, name, _context: asked.append(name)
    made = Site({"/": ok()})
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=serving)
    net = Internet({PUBLIC: server.sockets[0].getsockname()[1]})
    names = Names({"secure.example": [[PUBLIC]], "other.example": [[PUBLIC]]})
    outbound = Outbound(resolve=names, dial=net, tls=ssl.create_default_context(cafile=str(certificate)))
    assert (await outbound.request("GET", "https://secure.example/")).body == b"hello"
    assert asked == ["secure.example"]
    with pytest.raises(FetchFailed, match="connection"):
        await outbound.request("GET", "https://other.example/")
    server.close()


def self_signed(folder: Path, name: str) -> Path:
    """`name`: of a host, or its address."""
    address = addresses.parse(name)
    host = x509.DNSName(name) if address is None else x509.IPAddress(address)
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([host]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    file = folder / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return file
