"""From what was handed in to text, as Markdown; `readers` knows each kind of file."""

from __future__ import annotations

import re
from pathlib import PurePath

from helios.detection.secrets import mask
from helios.knowledge.articles import FRONT_MATTER
from helios.knowledge.readers import READERS
from helios.knowledge.readers.encodings import CONTROLS, decode
from helios.knowledge.readers.page import decode_page, html_to_markdown
from helios.knowledge.readers.refusals import ParsingError
from helios.uploads import DOCX, EPUB, ODT, PDF, PPTX, RTF, XLSX

__all__ = ["MEDIA_TYPES", "ParsingError", "media_type_of", "to_text"]

MEDIA_TYPES = {
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".txt": "text/plain",
    ".html": "text/html",
    ".htm": "text/html",
    ".pdf": PDF,
    ".docx": DOCX,
    ".odt": ODT,
    ".rtf": RTF,
    ".pptx": PPTX,
    ".xlsx": XLSX,
    ".epub": EPUB,
    ".csv": "text/csv",
    ".eml": "message/rfc822",
}
"""What is read, by the ending of a file's name."""
CHARACTERS_MAX = 2_000_000

_BLANK_LINES = re.compile(r"\n[ \t]*\n(?:[ \t]*\n)+")
_BLOCKS = re.compile(r"(\n[ \t]*\n)")


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
        return decode_page(original) if media_type == "text/html" else decode(original)
    # What a library makes of a file may hold what no text does.
    return CONTROLS.sub(" ", READERS[media_type](original))
