"""PDF, Word, CSV and e-mail: what is read of them, and what is refused with which code."""

from __future__ import annotations

import io
import zipfile

import docx
import pytest
from pypdf import PdfReader, PdfWriter

from helios.knowledge.parsing import ParsingError, to_text
from helios.uploads import DOCX, PDF

CSV, EML = "text/csv", "message/rfc822"


def pdf(text: str) -> bytes:
    """A page with one line, written by hand: objects, then a cross-reference table that readers rebuild."""
    drawn = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(drawn), drawn),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )
    written, places = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, 1):
        places.append(len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(written)
    written += b"xref\n0 6\n0000000000 65535 f \n" + table
    return written + b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % start


def locked(password: str) -> bytes:
    writer, output = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf("Secret fees")))), io.BytesIO()
    writer.encrypt(user_password=password, owner_password="owner", algorithm="RC4-128")
    writer.write(output)
    return output.getvalue()


def word() -> bytes:
    document, output = docx.Document(), io.BytesIO()
    document.add_heading("Fees", 2)
    document.add_paragraph("A card costs:")
    document.add_paragraph("3 dollars", style="List Bullet")
    table = document.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "ATM", "2 dollars"
    document.add_paragraph("That is all.")
    document.save(output)
    return output.getvalue()


def bomb() -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"\0" * 50_000_000)
    return output.getvalue()


def lying() -> bytes:
    """A document whose text is declared as ten bytes: it would pass as small."""
    body, name = bytearray(word()), b"word/document.xml"
    for signature, size_at, name_at in ((b"PK\x03\x04", 22, 30), (b"PK\x01\x02", 24, 46)):
        at = next(
            n for n in range(len(body)) if body[n:].startswith(signature) and body[n + name_at :].startswith(name)
        )
        body[at + size_at : at + size_at + 4] = (10).to_bytes(4, "little")
    return bytes(body)


def test_a_pdf_gives_the_text_of_its_pages() -> None:
    assert to_text(pdf("The fee is 3 dollars."), PDF) == "The fee is 3 dollars."


def test_a_pdf_that_opens_without_a_password_is_read() -> None:
    assert to_text(locked(""), PDF) == "Secret fees"


def test_a_word_document_keeps_headings_lists_and_tables_in_their_order() -> None:
    assert [line for line in to_text(word(), DOCX).splitlines() if line] == [
        "## Fees", "A card costs:", "- 3 dollars", "ATM | 2 dollars", "That is all.",
    ]  # fmt: skip


def test_each_row_of_a_table_says_what_its_figures_are() -> None:
    rows = "Account;Fee\nBasic;3 dollars\nStudent;none\n"
    assert to_text(rows.encode("utf-16"), CSV) == "Account: Basic, Fee: 3 dollars.\n\nAccount: Student, Fee: none."


@pytest.mark.parametrize("kind", ["plain", "html"])
def test_an_email_gives_its_subject_and_text_and_no_attachment(kind: str) -> None:
    text = "<p>Fees go up.</p>" if kind == "html" else "Fees go up."
    mail = (
        'Subject: =?utf-8?q?Geb=C3=BChren?=\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="x"\r\n\r\n'
        f"--x\r\nContent-Type: text/{kind}; charset=utf-8\r\n\r\n{text}\r\n--x\r\n"
        'Content-Disposition: attachment; filename="a.txt"\r\n\r\nnot this\r\n--x--\r\n'
    )
    assert to_text(mail.encode(), EML) == "# Gebühren\n\nFees go up."


@pytest.mark.parametrize(
    ("original", "media_type", "code"),
    [
        (locked("open sesame"), PDF, "protected"),
        (b"%PDF-1.7\nnothing of the kind", PDF, "malformed"),
        (pdf(""), PDF, "empty"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 512, DOCX, "malformed"),
        (b"PK\x03\x04 cut", DOCX, "malformed"),
        (bomb(), DOCX, "malformed"),
        (word()[:-400], DOCX, "malformed"),
        (lying(), DOCX, "malformed"),
        (b"", CSV, "empty"),
        (b"\x00\x01", CSV, "not_text"),
        (b"", EML, "empty"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_code(original: bytes, media_type: str, code: str) -> None:
    with pytest.raises(ParsingError) as refused:
        to_text(original, media_type)
    assert refused.value.code == code
