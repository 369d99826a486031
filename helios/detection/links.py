"""Images and links in generated text: images always go, links stay for the tenant's own domains only.

Source: the EchoLeak class of exfiltration, where a fetched image or a clicked link carries a conversation away.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

_TITLE = r"(?:\s+(?:\"[^\"\n]{0,200}\"|'[^'\n]{0,200}'|\([^)\n]{0,200}\)))?"
_IMAGE = re.compile(r"!\[(?P<alt>[^\]\n]{0,300})\](?:\((?P<url>[^)\n]{0,500})\)|\[[^\]\n]{0,100}\])?")
_OPEN_IMAGE = re.compile(r"!\[|\]\(\s*$")
_LINK = re.compile(rf"(?<!!)\[(?P<text>[^\]\n]{{0,300}})\]\(\s*<?(?P<url>[^\s)>]{{0,500}})>?{_TITLE}\s*\)")
_DEFINITION = re.compile(r"(?m)^[ \t]{0,3}\[(?P<id>[^\]\n]{1,100})\]:[ \t]*<?(?P<url>[^\s>]{1,500})>?.*(?:\n|$)")
_REFERENCE = re.compile(r"(?<!!)\[(?P<text>[^\]\n]{1,300})\]\[(?P<id>[^\]\n]{0,100})\]")
_TAG = re.compile(r"</?[a-zA-Z][^>\n]{0,500}>|<!--.{0,500}?-->", re.DOTALL)
_BARE = re.compile(
    r"(?<![\w@/.])(?:(?:https?|ftp|data|javascript|file|mailto|tel):[^\s<>()\[\]\"']{1,500}"
    r"|www\.[^\s<>()\[\]\"']{1,500}|//[\w\-]+\.[^\s<>()\[\]\"']{1,500}"
    r"|(?:[a-z0-9\-]{1,63}\.){1,6}[a-z]{2,18}/[^\s<>()\[\]\"']{0,500})",
    re.IGNORECASE,
)
_REMOVED = "[link removed]"


@dataclass(frozen=True, slots=True)
class Cleaned:
    """``text`` with what was not allowed taken out; ``images`` and ``links`` count it."""

    text: str
    images: int
    links: int


def clean(text: str, allowed_domains: Sequence[str]) -> Cleaned:
    """Take out images, HTML and links to other domains; a link's own words stay."""
    text, images = _IMAGE.subn(lambda match: match["alt"], text)
    links = 0

    def tag(match: re.Match[str]) -> str:
        nonlocal images, links
        address = _autolink(match.group())
        if address is not None and allowed(address, allowed_domains):
            return match.group()
        image = match.group().lower().startswith("<img")
        images, links = images + image, links + (not image)
        return ""

    def linked(match: re.Match[str]) -> str:
        nonlocal links
        if allowed(match["url"], allowed_domains):
            return match.group()
        links += 1
        return match["text"]

    def gone(match: re.Match[str]) -> str:
        nonlocal links
        address = match.group().rstrip(".,;:!?")
        if allowed(address, allowed_domains):
            return match.group()
        links += 1
        return _REMOVED + match.group()[len(address) :]

    text = _TAG.sub(tag, text) if "<" in text else text
    text, definitions = _DEFINITION.subn("", text)
    links += definitions
    text = _REFERENCE.sub(lambda match: match.group() if match["id"].isdecimal() else match["text"], text)
    text = _LINK.sub(linked, text)
    return Cleaned(_BARE.sub(gone, text), images, links)


def allowed(url: str, domains: Sequence[str]) -> bool:
    """Whether ``url`` is a plain web address on one of ``domains`` or below it, without tricks in its host."""
    address = url.strip()
    if "\\" in address or any(ord(character) < 33 for character in address):
        return False
    if address.startswith("//"):
        address = f"https:{address}"
    elif "://" not in address:
        address = f"https://{address}"
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").rstrip(".")
        plain = parts.scheme.lower() in ("https", "http") and parts.username is None and parts.port in (None, 80, 443)
    except ValueError:
        return False
    if not plain or not host.isascii():
        return False
    return any(
        host == domain or host.endswith(f".{domain}") for domain in (name.lower().strip(".") for name in domains)
    )


def _autolink(tag: str) -> str | None:
    inner = tag[1:-1]
    return inner if inner.lower().startswith(("http://", "https://")) else None
