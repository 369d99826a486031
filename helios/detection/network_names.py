"""Addresses of machines and sites in a text: web addresses, domains, IP and MAC addresses."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from helios.detection.spans import Span

URL, DOMAIN_NAME, IP_ADDRESS, MAC_ADDRESS = "URL", "DOMAIN_NAME", "IP_ADDRESS", "MAC_ADDRESS"

_URL = re.compile(r"(?<![\w@])(?:https?://|www\.(?=[\w\-]+\.))[^\s<>\"'\[\]]{1,2000}")
_ENDINGS = (
    "com|org|net|edu|gov|info|biz|io|co|bank|app|site|online|shop"
    "|de|at|ch|uk|fr|es|it|nl|be|pl|se|no|dk|fi|tr|us|ca|au|in|eu"
)
_DOMAIN = re.compile(
    rf"(?<![\w@.\-/])(?:[a-z0-9](?:[a-z0-9\-]{{0,61}}[a-z0-9])?\.){{1,4}}(?:{_ENDINGS})(?![\w\-@]|\.\w)"
    r"(?:/[^\s<>\"']*)?"
)
_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)(?:/\d{1,2}(?!\d))?")
_IPV6 = re.compile(
    r"(?<![\w:.])(?=[0-9a-f]*:[0-9a-f:]*)[0-9a-f:]{2,39}(?:\d{1,3}(?:\.\d{1,3}){3})?(?:%\w{1,16})?(?:/\d{1,3})?"
    r"(?![\w:]|\.\d)"
)
_MAC = re.compile(
    r"(?<![\w:.\-])(?:[0-9a-f]{2}([:\-]))(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}(?![\w:\-])"
    r"|(?<![\w.])[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}(?![\w.])"
)


def find(text: str) -> Iterator[Span]:
    """Spans in a normalised text."""
    for pattern in (_URL, _DOMAIN):
        for match in pattern.finditer(text):
            written = match.group().rstrip(".,;:!?)")
            path = written.partition("://")[2].partition("/")[2] if "://" in written else "none"
            yield Span(match.start(), match.start() + len(written), URL if path else DOMAIN_NAME)
    if "." in text:
        yield from _addresses(text, _IPV4)
    if ":" in text:
        yield from _addresses(text, _IPV6)
    for match in _MAC.finditer(text):
        yield Span(match.start(), match.end(), MAC_ADDRESS)


def _addresses(text: str, pattern: re.Pattern[str]) -> Iterator[Span]:
    for match in pattern.finditer(text):
        written = match.group()
        try:
            ipaddress.ip_address(written.partition("/")[0])
        except ValueError:
            continue
        end = match.end() if _is_network(written) else match.start() + len(written.partition("/")[0])
        yield Span(match.start(), end, IP_ADDRESS)


def _is_network(written: str) -> bool:
    try:
        ipaddress.ip_interface(written)
    except ValueError:
        return False
    return True
