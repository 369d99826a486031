"""Files that are more than text (PDF, Word, CSV, e-mail) as Markdown. Called in a process that may be killed."""

from __future__ import annotations

import csv
import email
import email.policy
import io
from collections.abc import Callable, Iterator, Mapping

from helios.uploads import DOCX, OLE, PDF, UploadRefused, check_archive

PAGES_MAX = 5_000


class Protected(Exception):
    """The document opens with a password only."""


class Damaged(Exception):
    """The document is not what its name says, or what its parts hold must not be unpacked."""


def pdf_to_markdown(original: bytes, _: Callable[[bytes], str]) -> str:
    """The text of each page. Raises `Protected`, `Damaged`."""
    from pypdf import PdfReader
    from pypdf.errors import FileNotDecryptedError, WrongPasswordError

    try:
        reader = PdfReader(io.BytesIO(original))
        if reader.is_encrypted and not reader.decrypt(""):
            raise Protected
        return "\n\n".join(page.extract_text() for page in reader.pages[:PAGES_MAX])
    except (FileNotDecryptedError, WrongPasswordError):
        raise Protected from None
    except (MemoryError, Protected):
        raise
    except Exception as error:  # a hostile file reaches any line of the library
        raise Damaged from error


def docx_to_markdown(original: bytes, _: Callable[[bytes], str]) -> str:
    """Paragraphs, headings, list items and tables in their order. Raises `Protected`, `Damaged`."""
    import docx
    from docx.table import Table

    if original.startswith(OLE):
        raise Protected  # Word wraps an encrypted document into the format of before 2007
    try:
        check_archive(original)
        document = docx.Document(io.BytesIO(original))
        parts = [
            "\n".join(_rows([cell.text for cell in row.cells] for row in each.rows))
            if isinstance(each, Table)
            else _paragraph(each.text, (each.style.name if each.style is not None else "") or "")
            for each in document.iter_inner_content()
        ]
    except UploadRefused:
        raise Damaged from None
    except MemoryError:
        raise
    except Exception as error:
        raise Damaged from error
    return "\n\n".join(part for part in parts if part)


def csv_to_markdown(original: bytes, decode: Callable[[bytes], str]) -> str:
    """Each row as a line of `column: value`, so that a row that is found alone still says what its figures are."""
    text = decode(original)
    try:
        dialect: type[csv.Dialect] = csv.Sniffer().sniff(text[:20_000], delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text), dialect) if any(row)]
    except csv.Error:
        raise Damaged from None
    if not rows:
        return ""
    head, *body = rows
    lines = [
        ", ".join(f"{name}: {value}" for name, value in zip(head, row, strict=False) if value) + "." for row in body
    ]
    return "\n\n".join(lines or [", ".join(head)])


def email_to_markdown(original: bytes, decode: Callable[[bytes], str]) -> str:
    """The subject as a heading, and the text. Attachments are files of their own: they are left out."""
    from helios.knowledge.parsing import html_to_markdown

    message = email.message_from_bytes(original, policy=email.policy.default)
    body = message.get_body(preferencelist=("plain", "html"))
    if body is None:
        raise Damaged
    try:
        content = str(body.get_content())
    except (LookupError, ValueError, KeyError):
        content = decode(bytes(body.get_payload(decode=True) or b""))
    if body.get_content_type() == "text/html":
        content = html_to_markdown(content)
    subject = str(message["subject"] or "").strip()
    return f"# {subject}\n\n{content}" if subject else content


READERS: Mapping[str, Callable[[bytes, Callable[[bytes], str]], str]] = {
    PDF: pdf_to_markdown,
    DOCX: docx_to_markdown,
    "text/csv": csv_to_markdown,
    "message/rfc822": email_to_markdown,
}


def _paragraph(text: str, style: str) -> str:
    level = style.removeprefix("Heading ")
    if text.strip() and (style == "Title" or level.isdigit()):
        return f"{'#' * (int(level) if level.isdigit() else 1)} {text.strip()}"
    return f"- {text.strip()}" if style.startswith("List") and text.strip() else text.strip()


def _rows(rows: Iterator[list[str]]) -> Iterator[str]:
    for row in rows:
        yield " | ".join(" ".join(cell.split()) for cell in row)
