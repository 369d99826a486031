"""EPUB by Python's own zip and HTML readers: the chapters in the order of the book.

EbookLib, the usual one, is under the AGPL.
"""

from __future__ import annotations

import io
import posixpath
import zipfile
from collections.abc import Iterator
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from helios.knowledge.readers.page import decode_page, html_to_markdown
from helios.knowledge.readers.refusals import ParsingError, check_office, damaged_where_it_breaks

CONTAINER = "META-INF/container.xml"
ENCRYPTION = "META-INF/encryption.xml"
CHAPTERS = frozenset({"application/xhtml+xml", "text/html"})


def epub_to_markdown(original: bytes) -> str:
    check_office(original)
    with damaged_where_it_breaks(), zipfile.ZipFile(io.BytesIO(original)) as archive:
        chapters = list(_chapters(archive))
        # Fonts are often packed by this means, which keeps nobody from reading; chapters are not.
        if set(chapters) & set(_encrypted(archive)):
            raise ParsingError("protected")
        return "\n\n".join(html_to_markdown(decode_page(archive.read(name))) for name in chapters)


def _chapters(archive: zipfile.ZipFile) -> Iterator[str]:
    """The names of the parts that hold text, in the order of reading (EPUB 3.3, 5.7)."""
    package = next(each.get("full-path", "") for each in _xml(archive, CONTAINER).iter() if _named(each, "rootfile"))
    document = _xml(archive, package)
    items = {each.get("id"): each for each in document.iter() if _named(each, "item")}
    for each in document.iter():
        item = items.get(each.get("idref")) if _named(each, "itemref") else None
        if item is not None and item.get("media-type") in CHAPTERS:
            yield posixpath.normpath(posixpath.join(posixpath.dirname(package), unquote(item.get("href", ""))))


def _encrypted(archive: zipfile.ZipFile) -> Iterator[str]:
    if ENCRYPTION in archive.namelist():
        for each in _xml(archive, ENCRYPTION).iter():
            if _named(each, "CipherReference"):
                yield posixpath.normpath(unquote(each.get("URI", "")))


def _xml(archive: zipfile.ZipFile, name: str) -> Element:
    from defusedxml.ElementTree import fromstring

    found: Element = fromstring(archive.read(name))
    return found


def _named(element: Element, name: str) -> bool:
    return element.tag.rpartition("}")[2] == name
