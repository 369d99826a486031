"""From what was handed in to text: text as it is, HTML with its headings, lists and tables, and `documents`."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import PurePath

from helios.detection.secrets import mask
from helios.knowledge.articles import FRONT_MATTER
from helios.knowledge.documents import READERS, Damaged, Protected
from helios.uploads import DOCX, PDF

MEDIA_TYPES = {
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".txt": "text/plain",
    ".html": "text/html",
    ".htm": "text/html",
    ".pdf": PDF,
    ".docx": DOCX,
    ".csv": "text/csv",
    ".eml": "message/rfc822",
}
"""What is read, by the ending of a file's name."""
CHARACTERS_MAX = 2_000_000

_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
_BLANK_LINES = re.compile(r"\n[ \t]*\n(?:[ \t]*\n)+")
_BLOCKS = re.compile(r"(\n[ \t]*\n)")
_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


class ParsingError(Exception):
    """There is no text to be had. `code` is one of `schema.ingestion.FAILURES`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def media_type_of(name: str) -> str | None:
    """The media type by a file's name; None for a kind that is not read."""
    return MEDIA_TYPES.get(PurePath(name).suffix.lower())


def to_text(original: bytes, media_type: str) -> str:
    """The text of a document, as Markdown, without card numbers and secrets. Raises `ParsingError`."""
    if media_type not in MEDIA_TYPES.values():
        raise ParsingError("unsupported")
    text = _read(original, media_type)
    if len(text) > CHARACTERS_MAX:
        raise ParsingError("too_long")
    if media_type == "text/html":
        text = html_to_markdown(text)
    elif media_type == "text/markdown":
        text = FRONT_MATTER.sub(r"\g<body>", text.removeprefix("\ufeff"), count=1)
    text = _BLANK_LINES.sub("\n\n", text.replace("\r\n", "\n").replace("\r", "\n")).strip()
    # Block by block: a long document as one piece would be searched from its start after each find.
    text = "".join(mask(part).text if part.strip() else part for part in _BLOCKS.split(text))
    if not any(map(str.isalnum, text)):
        raise ParsingError("empty")
    return text


def _read(original: bytes, media_type: str) -> str:
    if media_type not in READERS:
        return decode(original)
    try:
        # What a library makes of a file may hold what no text does.
        return _CONTROLS.sub(" ", READERS[media_type](original, decode))
    except Protected:
        raise ParsingError("protected") from None
    except Damaged:
        raise ParsingError("malformed") from None


def decode(original: bytes) -> str:
    """Text in UTF-8 or UTF-16, or, where it is neither, in Windows-1252. Raises `ParsingError` for what is no text."""
    marked = next((name for mark, name in _BYTE_ORDER_MARKS if original.startswith(mark)), None)
    for encoding in (marked,) if marked else ("utf-8", "cp1252"):
        try:
            text = original.decode(encoding)
        except UnicodeDecodeError:
            continue
        if _CONTROLS.search(text) is None:
            return text
    raise ParsingError("not_text")


def html_to_markdown(source: str) -> str:
    """What a reader of the page sees, with headings, list items and table rows marked as in Markdown."""
    reader = _Page()
    reader.feed(source)
    reader.close()
    return "\n".join(" ".join(line.split()) for line in "".join(reader.parts).splitlines())


class _Page(HTMLParser):
    HIDDEN = frozenset({"script", "style", "head", "template", "noscript", "svg", "nav", "iframe", "select"})
    BLOCKS = frozenset({"p", "div", "section", "article", "main", "header", "footer", "ul", "ol", "table", "blockquote",
                        "pre", "dl", "dt", "dd", "figure", "form", "aside", "body", "html"})  # fmt: skip

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        if tag in self.HIDDEN:
            self._hidden.append(tag)
        elif re.fullmatch("h[1-6]", tag):
            self.parts.append(f"\n\n{'#' * int(tag[1])} ")
        elif tag == "li":
            self.parts.append("\n- ")
        elif tag in self.BLOCKS:
            self.parts.append("\n\n")
        elif tag in ("br", "tr"):
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._hidden:
            # Whatever was left open inside ends with it.
            del self._hidden[self._hidden.index(tag) :]
        elif tag in self.BLOCKS or re.fullmatch("h[1-6]", tag):
            self.parts.append("\n\n")
        elif tag in ("td", "th"):
            self.parts.append(" | ")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            # A line break in the source is a space on the page.
            self.parts.append(re.sub(r"\s+", " ", data))
