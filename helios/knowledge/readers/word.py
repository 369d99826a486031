"""Word processors' files: DOCX by python-docx, ODT by odfdo, RTF by striprtf.

Macros, comments and deleted text are left out.
"""

from __future__ import annotations

import io
import re
import zipfile
from itertools import groupby
from typing import Any

from helios.knowledge.readers.refusals import ParsingError, check_office, damaged_where_it_breaks
from helios.knowledge.readers.tables import table_text

ENCRYPTED_PARTS = b"encryption-data"
"""Stands in an ODF package's manifest for each part that opens with a password (ODF 1.3 part 2, 4.8.3)."""
MARKDOWN_TABLE = re.compile(r"(?:^\|.*\|[ \t]*\n?)+", re.MULTILINE)
MARKDOWN_RULE = re.compile(r"\|[\s|:-]+\|\s*")


def docx_to_markdown(original: bytes) -> str:
    """Paragraphs, headings, list items and tables in their order."""
    import docx
    from docx.table import Table

    check_office(original)
    with damaged_where_it_breaks():
        document = docx.Document(io.BytesIO(original))
        parts = [
            table_text([[cell.text for cell in row.cells] for row in each.rows])
            if isinstance(each, Table)
            else _paragraph(each.text, (each.style.name if each.style is not None else "") or "")
            for each in document.iter_inner_content()
        ]
    return "\n\n".join(part for part in parts if part)


def odt_to_markdown(original: bytes) -> str:
    from odfdo import Document

    check_office(original)
    with damaged_where_it_breaks():
        with zipfile.ZipFile(io.BytesIO(original)) as archive:
            if ENCRYPTED_PARTS in archive.read("META-INF/manifest.xml"):
                raise ParsingError("protected")
        text = str(Document(io.BytesIO(original)).to_markdown())
        return MARKDOWN_TABLE.sub(lambda found: f"\n{markdown_table(found[0])}\n\n", text)


def rtf_to_markdown(original: bytes) -> str:
    """A paragraph is a line; a table's row is one with `|` behind each cell."""
    from striprtf.striprtf import rtf_to_text

    to_text: Any = rtf_to_text  # it ships no types
    with damaged_where_it_breaks():
        lines = str(to_text(original.decode("latin-1"), errors="replace")).splitlines()
    blocks = [(is_table, list(block)) for is_table, block in groupby(lines, lambda line: line.rstrip().endswith("|"))]
    return "\n\n".join(
        table_text([line.rstrip()[:-1].split("|") for line in block]) if is_table else "\n\n".join(block)
        for is_table, block in blocks
    )


def markdown_table(source: str) -> str:
    """The rows of a table in Markdown's writing, as `table_text` puts them; its first row is the head."""
    lines = [line.strip() for line in source.splitlines() if line.strip() and not MARKDOWN_RULE.fullmatch(line)]
    rows = [[cell.replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines]
    return table_text(rows)


def _paragraph(text: str, style: str) -> str:
    level = style.removeprefix("Heading ")
    if text.strip() and (style == "Title" or level.isdigit()):
        return f"{'#' * (int(level) if level.isdigit() else 1)} {text.strip()}"
    return f"- {text.strip()}" if style.startswith("List") and text.strip() else text.strip()
