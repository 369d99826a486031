"""Files that are more than text as Markdown, by the libraries that docs/decisions/0011 names.

Each is called in a process that may be killed, takes the bytes of a document and raises
`ParsingError`. A library is imported where it is used: a process reads one document.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from helios.knowledge.readers.book import epub_to_markdown
from helios.knowledge.readers.mail import email_to_markdown
from helios.knowledge.readers.pdf import pdf_to_markdown
from helios.knowledge.readers.sheets import csv_to_markdown, xlsx_to_markdown
from helios.knowledge.readers.slides import pptx_to_markdown
from helios.knowledge.readers.word import docx_to_markdown, odt_to_markdown, rtf_to_markdown
from helios.uploads import DOCX, EPUB, ODT, PDF, PPTX, RTF, XLSX

READERS: Mapping[str, Callable[[bytes], str]] = {
    PDF: pdf_to_markdown,
    DOCX: docx_to_markdown,
    ODT: odt_to_markdown,
    RTF: rtf_to_markdown,
    PPTX: pptx_to_markdown,
    XLSX: xlsx_to_markdown,
    EPUB: epub_to_markdown,
    "text/csv": csv_to_markdown,
    "message/rfc822": email_to_markdown,
}
