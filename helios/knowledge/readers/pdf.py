"""PDF by pypdf: the text of each page. What is only drawn, as scans are, is not read."""

from __future__ import annotations

import io

from helios.knowledge.readers.refusals import ParsingError, damaged_where_it_breaks

PAGES_MAX = 5_000


def pdf_to_markdown(original: bytes) -> str:
    from pypdf import PdfReader
    from pypdf.errors import FileNotDecryptedError, WrongPasswordError

    with damaged_where_it_breaks():
        try:
            reader = PdfReader(io.BytesIO(original))
            if reader.is_encrypted and not reader.decrypt(""):
                raise ParsingError("protected")
            return "\n\n".join(page.extract_text() for page in reader.pages[:PAGES_MAX])
        except (FileNotDecryptedError, WrongPasswordError):
            raise ParsingError("protected") from None
