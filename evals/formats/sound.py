"""One sound file of each kind that holds more than text: fees in a table under a heading, in each kind's own way."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

FEES = (("Account", "Monthly fee"), ("Basic", "3 dollars"), ("Student", "0 dollars"))


def docx() -> bytes:
    from docx import Document

    document, output = Document(), io.BytesIO()
    document.add_heading("Fees", 2)
    document.add_paragraph("What accounts cost:")
    table = document.add_table(len(FEES), 2)
    for row, cells in enumerate(FEES):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    document.save(output)
    return output.getvalue()


def pptx() -> bytes:
    from pptx import Presentation
    from pptx.util import Inches

    deck, output = Presentation(), io.BytesIO()
    slide = deck.slides.add_slide(deck.slide_layouts[5])
    slide.shapes.title.text = "Fees"
    slide.notes_slide.notes_text_frame.text = "Do not tell them about the rebate."
    table = slide.shapes.add_table(len(FEES), 2, Inches(1), Inches(3), Inches(6), Inches(2)).table
    for row, cells in enumerate(FEES):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    box = slide.shapes.add_textbox(Inches(1), Inches(2), Inches(6), Inches(1))
    box.text_frame.text = "What accounts cost:"
    hidden = deck.slides.add_slide(deck.slide_layouts[5])
    hidden.shapes.title.text = "Not for the audience"
    hidden.element.set("show", "0")
    deck.save(output)
    return output.getvalue()


def xlsx() -> bytes:
    from openpyxl import Workbook

    book, output = Workbook(), io.BytesIO()
    sheet = book.worksheets[0]
    sheet.title = "Fees"
    sheet["B2"] = "What accounts cost:"
    for place, row in enumerate(
        (("Account", "Monthly fee", "Interest"), ("Basic", 3, 0.0125), ("Student", 1250, 0.02))
    ):
        for column, value in enumerate(row):
            sheet.cell(3 + place, 2 + column, value)
    for cell, shown in (("C4", '"$"#,##0.00'), ("C5", "#,##0.00 [$€-407]"), ("D4", "0.00%"), ("D5", "0%")):
        sheet[cell].number_format = shown
    hidden = book.create_sheet("Internal")
    hidden["A1"] = "Do not tell them about the rebate."
    hidden.sheet_state = "hidden"
    book.save(output)
    return output.getvalue()


ODF = "".join(
    f' xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{prefix}:1.0"' for prefix in ("office", "text", "table")
)
MANIFEST = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
ODT_TEXT = """
    <text:tracked-changes><text:changed-region text:id="c1"><text:deletion><text:p>Once it was free.</text:p>
    </text:deletion></text:changed-region></text:tracked-changes>
    <text:h text:outline-level="2">Fees</text:h>
    <text:p>What accounts<office:annotation><text:p>Ask legal.</text:p></office:annotation> cost:</text:p>
"""


def odt(text: str = ODT_TEXT, manifest: str = "", prolog: str = "") -> bytes:
    rows = "".join(
        "<table:table-row>"
        + "".join(f"<table:table-cell><text:p>{cell}</text:p></table:table-cell>" for cell in row)
        + "</table:table-row>"
        for row in FEES
    )
    table = f'<table:table table:name="Fees">{rows}</table:table>' if text == ODT_TEXT else ""
    media_type = "application/vnd.oasis.opendocument.text"
    return packed({
        "mimetype": media_type,
        "content.xml": f"<?xml version='1.0'?>{prolog}<office:document-content{ODF}><office:body><office:text>"
        f"{text}{table}</office:text></office:body></office:document-content>",
        "META-INF/manifest.xml": f'<manifest:manifest xmlns:manifest="{MANIFEST}">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{media_type}">{manifest}'
        "</manifest:file-entry></manifest:manifest>",
    })  # fmt: skip


def rtf() -> bytes:
    rows = "".join(rf"\trowd\cellx3000\cellx6000 {left}\cell {right}\cell\row " for left, right in FEES)
    return (
        r"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}{\info{\author Somebody}}{\*\generator Editor;}"
        rf"\pard Geb\'fchren\par What accounts cost:\par {rows}}}"
    ).encode()


def epub(encrypted: str = "", prolog: str = "") -> bytes:
    rows = "".join(f"<tr><td>{left}</td><td>{right}</td></tr>" for left, right in FEES)
    files = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="OPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>',
        "OPS/book.opf": f'{prolog}<package xmlns="http://www.idpf.org/2007/opf"><manifest>'
        '<item id="b" href="b.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="a" href="a%20part.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="s" href="s.css" media-type="text/css"/></manifest>'
        '<spine><itemref idref="a"/><itemref idref="b"/></spine></package>',
        "OPS/a part.xhtml": "<html><head><title>t</title></head><body><h2>Fees</h2></body></html>",
        "OPS/b.xhtml": f"<html><body><p>What accounts cost:</p><table>{rows}</table></body></html>",
        "OPS/s.css": "p {}",
    }
    if encrypted:
        files["META-INF/encryption.xml"] = (
            f'<encryption><EncryptedData><CipherData><CipherReference URI="{encrypted}"/></CipherData></EncryptedData>'
            "</encryption>"
        )
    return packed(files)


def packed(files: Mapping[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return output.getvalue()


def repacked(original: bytes, changed: Mapping[str, str | bytes]) -> bytes:
    """The same archive with some of its files changed or added."""
    with zipfile.ZipFile(io.BytesIO(original)) as archive:
        return packed({**{name: archive.read(name) for name in archive.namelist()}, **changed})
