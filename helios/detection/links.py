"""Images and links in generated text: images always go, links stay for the tenant's own domains only.

What is an image, a link, a reference or a tag is what a CommonMark parser takes for one; addresses without any mark are
found besides, since clients make links of them. A code span counts as text: a window may hold only one end of it.
Source: the EchoLeak class of exfiltration, where a fetched image or a clicked link carries a conversation away.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from markdown_it import MarkdownIt, rules_inline
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

_MARKUP = re.compile(r"\][\[(:]|!\[|<")
_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
_TAG = re.compile(r"<[a-zA-Z/!?][^<>\n]{0,500}>")
_OPEN_TAG = re.compile(r"<(?=[a-zA-Z/!?])")
_BARE = re.compile(
    r"(?<![\w@/.])(?:(?:[a-z][a-z0-9+.\-]{1,20}://"
    r"|(?:data|javascript|vbscript|blob|file|mailto|tel|sms|intent|view-source):)[^\s<>()\[\]\"']{1,500}"
    r"|www\.[^\s<>()\[\]\"']{1,500}|//[\w\-]+\.[^\s<>()\[\]\"']{1,500}"
    r"|(?:[\w\-]{1,63}\.){1,6}[a-z]{2,18}/[^\s<>()\[\]\"']{0,500}"
    r"|(?:[\w\-]{2,63}\.){1,6}(?:com|net|org|info|biz|app|xyz|top|site|online|shop|club|live|link|io|ru|cn|tk)"
    r"(?![\w@\-]|\.\w))",
    re.IGNORECASE,
)
# A browser reads wide letters, and every full stop there is, as the plain ones (UTS 46); one sign stays one sign.
_WIDE: dict[int, int] = {**{wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)}, 0x3002: ord("."), 0xFF61: ord(".")}
_HOST = re.compile(r"[a-z0-9\-]+(?:\.[a-z0-9\-]+)*")
_REMOVED = "[link removed]"


@dataclass(frozen=True, slots=True)
class Cleaned:
    """``text`` with what was not allowed taken out; ``images`` and ``links`` count it."""

    text: str
    images: int
    links: int


@dataclass(frozen=True, slots=True)
class _Found:
    """An image, link or tag of a text; ``label_end`` is where its label ends, None for an autolink or a tag."""

    token: Token
    start: int
    label_end: int | None
    end: int


def clean(text: str, allowed_domains: Sequence[str]) -> Cleaned:
    """Take out images, HTML and links to other domains; a link's own words stay."""
    images = links = 0
    while True:
        once = _once(text, allowed_domains)
        images, links = images + once.images, links + once.links
        # What is left when a mark is gone may be a mark again: "![a]<b>(address)".
        if once.text == text:
            return Cleaned(text, images, links)
        text = once.text


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
    if not plain or not _HOST.fullmatch(host):
        return False
    return any(
        host == domain or host.endswith(f".{domain}") for domain in (name.lower().strip(".") for name in domains)
    )


def _once(text: str, domains: Sequence[str]) -> Cleaned:
    if _MARKUP.search(text):
        unmarked = _without_marks(text, domains)
        if unmarked.text != text:
            return unmarked
    return _without_addresses(text, domains)


def _without_marks(text: str, domains: Sequence[str]) -> Cleaned:
    images = 0
    text, links = _without_definitions(text, domains)
    cuts: list[tuple[int, int]] = []
    for found in _marks(text):
        if found.token.type == "image" or found.token.content.lower().startswith("<img"):
            images += 1
        elif found.token.type == "html_inline" or not allowed(str(found.token.attrs["href"]), domains):
            links += 1
        else:
            continue
        cuts += _cuts(found)
    text = _without(text, cuts)
    text = _TAG.sub(lambda tag: tag.group() if _is_own(tag.group()[1:-1], domains) else "", text)
    text = _OPEN_TAG.sub(lambda sign: "<" if _is_own(text[sign.end() :].split(">")[0], domains) else "< ", text)
    return Cleaned(text, images, links)


def _is_own(address: str, domains: Sequence[str]) -> bool:
    """Whether what stands in pointed brackets is a link that may stay."""
    return address.lower().startswith(("https://", "http://")) and allowed(address, domains)


def _without_addresses(text: str, domains: Sequence[str]) -> Cleaned:
    links, position = 0, 0
    pieces: list[str] = []
    for match in _BARE.finditer(text.translate(_WIDE)):
        address = match.group().rstrip(".,;:!?")
        if allowed(address, domains):
            continue
        links += 1
        pieces += [text[position : match.start()], _REMOVED]
        position = match.start() + len(address)
    return Cleaned("".join(pieces) + text[position:], 0, links)


def _without_definitions(text: str, domains: Sequence[str]) -> tuple[str, int]:
    """Without the lines that say where a reference leads, when that is elsewhere; how many they were."""
    if "]:" not in text:
        return text, 0
    env: dict[str, Any] = {"references": {}}
    _parser().block.parse(text.replace("\r\n", "\n").replace("\r", "\n"), _parser(), env, [])
    definitions = [*env["references"].values(), *env.get("duplicate_refs", ())]
    foreign = [each["map"] for each in definitions if not allowed(each["href"], domains)]
    gone = {line for first, after in foreign for line in range(first, after)}
    kept = (line for number, line in enumerate(_LINE.findall(text)) if number not in gone)
    return "".join(kept) if gone else text, len(foreign)


class _References(dict[str, dict[str, str]]):
    """Where a reference leads is not known here: it may be defined in another window.

    Words in brackets alone are none, and a number behind words is a citation: what could define them is taken out.
    """

    image = False
    behind = ""
    """The sign behind the words in brackets."""

    def get(self, label: str, default: Any = None) -> Any:
        reference = self.image or (self.behind == "[" and not label.isdecimal())
        return {"href": "", "title": ""} if reference else default


def _marks(text: str) -> list[_Found]:
    found: list[_Found] = []
    env = {"references": _References(), "text": text, "found": found}
    _parser().inline.parse(text, _parser(), env, [])
    return found


def _cuts(found: _Found) -> Iterator[tuple[int, int]]:
    if found.label_end is None:
        yield found.start, found.end
    else:
        yield found.start, found.start + (2 if found.token.type == "image" else 1)
        yield found.label_end, found.end


def _without(text: str, cuts: Sequence[tuple[int, int]]) -> str:
    pieces, position = [], 0
    for start, end in sorted(cuts):
        pieces.append(text[position:start])
        position = max(position, end)
    return "".join(pieces) + text[position:]


_Rule = Callable[[StateInline, bool], bool]


def _noting(rule: _Rule) -> _Rule:
    """The rule, noting where in the text it matched; not in the words of an image, which are parsed by themselves."""

    def noted(state: StateInline, silent: bool) -> bool:
        start, known, references = state.pos, len(state.tokens), state.env["references"]
        references.image = rule is rules_inline.image
        label_end = None
        if rule in (rules_inline.link, rules_inline.image):
            label_end = state.md.helpers.parseLinkLabel(state, start + references.image, not references.image)
            references.behind = state.src[label_end + 1 : label_end + 2]
        if not rule(state, silent):
            return False
        if not silent and state.src == state.env["text"]:
            token = next(each for each in state.tokens[known:] if each.type in ("image", "link_open", "html_inline"))
            state.env["found"].append(_Found(token, start, label_end, state.pos))
        return True

    return noted


@cache
def _parser() -> MarkdownIt:
    # Any scheme is a link here: one that a viewer would refuse goes, too.
    parser = MarkdownIt("commonmark", {"html": True}).disable("backticks")
    parser.validateLink = lambda _: True  # type: ignore[assignment, method-assign]
    for rule in (rules_inline.link, rules_inline.image, rules_inline.autolink, rules_inline.html_inline):
        parser.inline.ruler.at(rule.__name__, _noting(rule))
    return parser
