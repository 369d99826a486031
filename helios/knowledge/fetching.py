"""Fetches a page that is to become knowledge, through the wall of `helios/outbound.py`, where it has changed."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from helios.knowledge.parsing import MEDIA_TYPES
from helios.knowledge.readers.page import decode_page
from helios.knowledge.readers.refusals import ParsingError
from helios.outbound import Answer, FetchFailed, Outbound, UrlRefused
from helios.uploads import UploadRefused, check_upload

SIZE_MAX = 8 * 1024 * 1024
WITHIN_S = 30.0
REDIRECTS_MAX = 5
TITLE_MAX = 200
ALSO_CALLED = {"application/xhtml+xml": "text/html", "text/x-markdown": "text/markdown", "text/rtf": "application/rtf"}
SITEMAPS = frozenset({"application/xml", "text/xml", "application/rss+xml", "text/plain"})
TITLE = re.compile(r"<title[^>]{0,200}>([^<]{1,2000})<", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a server said of a page when it was last fetched, to ask whether it is another now (RFC 9110, 13.1)."""

    etag: str | None = None
    last_modified: str | None = None

    def headers(self) -> dict[str, str]:
        asked = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in asked.items() if value}


@dataclass(frozen=True, slots=True)
class Fetched:
    body: bytes
    media_type: str
    seen: Seen
    title: str | None
    """What the page calls itself."""


async def fetch_page(outbound: Outbound, url: str, seen: Seen) -> Fetched | None:
    """The page; None where it is as it was `seen`. Raises `ParsingError` with why there is none."""
    answer = await _fetch(outbound, url, seen)
    if answer is None:
        return None
    media_type = _media_type(answer)
    media_type = ALSO_CALLED.get(media_type, media_type)
    if media_type not in MEDIA_TYPES.values():
        raise ParsingError("unsupported")
    try:
        check_upload(media_type, answer.body)
    except UploadRefused:
        raise ParsingError("malformed") from None
    return Fetched(answer.body, media_type, _seen(answer), _title(answer.body) if media_type == "text/html" else None)


async def fetch_sitemap(outbound: Outbound, url: str, seen: Seen) -> Fetched | None:
    """As `fetch_page`."""
    answer = await _fetch(outbound, url, seen)
    if answer is None:
        return None
    if _media_type(answer) not in SITEMAPS:
        raise ParsingError("unsupported")
    return Fetched(answer.body, "application/xml", _seen(answer), None)


async def _fetch(outbound: Outbound, url: str, seen: Seen) -> Answer | None:
    try:
        answer = await outbound.request(
            "GET", url, headers=seen.headers(), size_max=SIZE_MAX, within_s=WITHIN_S, redirects_max=REDIRECTS_MAX
        )
    except UrlRefused:
        raise ParsingError("address_refused") from None
    except FetchFailed as error:
        raise ParsingError("too_long" if error.reason == "size" else "unreachable") from None
    if answer.status == 304:
        return None
    if answer.status != 200:
        raise ParsingError("unreachable")
    return answer


def _media_type(answer: Answer) -> str:
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower()


def _seen(answer: Answer) -> Seen:
    """Kept as they are, unless they are too long to be what they should be."""
    kept = {name: answer.headers.get(name, "") for name in ("etag", "last-modified")}
    etag, modified = (value if 0 < len(value) <= 200 and value.isascii() else None for value in kept.values())
    return Seen(etag, modified)


def _title(body: bytes) -> str | None:
    try:
        found = TITLE.search(decode_page(body))
    except ParsingError:
        return None
    return " ".join(html.unescape(found[1]).split())[:TITLE_MAX] or None if found else None
