"""Files that are there to crash, hang or swell their reader, or to have it read what is not theirs: made by code."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from evals.formats import sound
from helios.uploads import DOCX, EPUB, ODT, OLE, PDF, PPTX, RTF, XLSX

OFFICE: tuple[tuple[str, Callable[[], bytes], str], ...] = (
    (DOCX, sound.docx, "word/document.xml"),
    (PPTX, sound.pptx, "ppt/presentation.xml"),
    (XLSX, sound.xlsx, "xl/workbook.xml"),
    (ODT, sound.odt, "content.xml"),
    (EPUB, sound.epub, "META-INF/container.xml"),
)
LAUGHS = "<!DOCTYPE l [<!ENTITY a0 'ha'>" + "".join(
    f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 10)
) + "]>"  # fmt: skip
OUTSIDE = '<!DOCTYPE o [<!ENTITY o SYSTEM "file:///etc/hostname">]>'


@dataclass(frozen=True, slots=True)
class Hostile:
    """`codes`: the refusals that are right; empty where the rest of the file is to be read."""

    name: str
    media_type: str
    original: bytes
    codes: frozenset[str]


def files() -> Iterator[Hostile]:
    yield from _of_each_office_kind()
    yield from _of_one_kind()


def _of_each_office_kind() -> Iterator[Hostile]:
    for media_type, make, part in OFFICE:
        kind = media_type.rpartition(".")[2].rpartition("/")[2]
        original = make()
        yield _refused(f"empty {kind}", media_type, b"")
        yield _refused(f"cut {kind}", media_type, original[: len(original) // 2])
        yield _refused(f"bomb as {kind}", media_type, sound.packed({part: bytes(60_000_000)}))
        yield _refused(f"part of {kind} cut", media_type, sound.repacked(original, {part: "<a><b"}))
        yield _refused(f"part of {kind} missing", media_type, sound.packed({"x": "y"}))
        yield _refused(f"quine-like {kind} in {kind}", media_type, sound.packed({part: original}))
        yield _refused(f"entity bomb in {kind}", media_type, sound.repacked(original, {part: f"{LAUGHS}<a>&a9;</a>"}))
        yield _refused(f"file from outside in {kind}", media_type,
                       sound.repacked(original, {part: f"{OUTSIDE}<a>&o;</a>"}))  # fmt: skip
        yield _refused(f"deep {kind}", media_type, sound.repacked(original, {part: "<a>" * 200_000}))
        yield from _damaged(kind, media_type, original)
    for media_type in (DOCX, PPTX, XLSX):
        locked = OLE + b"\xa1\xb1\x1a\xe1" + bytes(500) + "EncryptedPackage".encode("utf-16-le") + bytes(500)
        kind = media_type.rpartition(".")[2]
        yield Hostile(f"{kind} with a password", media_type, locked, frozenset({"protected"}))
        yield _refused(f"{kind} of before 2007", media_type, OLE + bytes(1_000))


def _damaged(kind: str, media_type: str, original: bytes) -> Iterator[Hostile]:
    """Bytes changed at random, but the same ones each time: any outcome but a crash or a hang is right."""
    chance = random.Random(kind)  # noqa: S311 - repeatable
    for number in range(3):
        broken = bytearray(original)
        for _ in range(20):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        yield Hostile(f"{kind} with 20 bytes changed, {number + 1}", media_type, bytes(broken), ANY)


ANY = frozenset({"malformed", "empty", "too_costly", "too_long", "protected", "not_text", "read"})


def _of_one_kind() -> Iterator[Hostile]:
    repeated = (
        '<table:table><table:table-row table:number-rows-repeated="1048576"><table:table-cell '
        'table:number-columns-repeated="16384"><text:p>x</text:p></table:table-cell></table:table-row></table:table>'
    )
    yield _refused("odt with a table of a billion cells", ODT, sound.odt(repeated))
    yield _refused("odt with a billion spaces", ODT, sound.odt('<text:p>a<text:s text:c="1000000000"/>b</text:p>'))
    yield Hostile(
        "odt with a password", ODT, sound.odt(manifest="<manifest:encryption-data/>"), frozenset({"protected"})
    )
    yield Hostile("epub with a locked chapter", EPUB, sound.epub("OPS/b.xhtml"), frozenset({"protected"}))
    yield Hostile("epub with a locked font", EPUB, sound.epub("OPS/font.otf"), frozenset())
    yield _refused("epub whose package bombs", EPUB, sound.epub(prolog=LAUGHS.replace("l [", "package [")))
    yield _refused("epub whose chapter is outside", EPUB, sound.repacked(sound.epub(), {
        "OPS/book.opf": '<package><manifest><item id="a" href="../../etc/passwd" media-type="text/html"/></manifest>'
        '<spine><itemref idref="a"/></spine></package>'}))  # fmt: skip
    cell = '<row r="1048576"><c r="XFD1048576" t="inlineStr"><is><t>far</t></is></c></row>'
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    sheet = f'<worksheet xmlns="{space}"><sheetData>{cell}</sheetData></worksheet>'
    far = sound.repacked(sound.xlsx(), {"xl/worksheets/sheet1.xml": sheet})
    yield Hostile("xlsx with a cell in the last corner", XLSX, far, ANY)
    yield Hostile("xlsx with macros", XLSX, sound.repacked(sound.xlsx(), {"xl/vbaProject.bin": b"Sub Auto_Open()"}),
                  frozenset())  # fmt: skip
    yield Hostile("docx with macros", DOCX, sound.repacked(sound.docx(), {"word/vbaProject.bin": b"Sub AutoOpen()"}),
                  frozenset())  # fmt: skip
    yield _refused("rtf of braces", RTF, b"{\\rtf1" + b"{" * 1_000_000)
    yield Hostile("rtf cut", RTF, sound.rtf()[:-40], ANY)
    yield Hostile("rtf with a huge picture", RTF, b"{\\rtf1{\\pict\\bin99999999 " + b"0" * 500_000 + b"}text}", ANY)
    yield _refused("pdf cut", PDF, b"%PDF-1.7\n1 0 obj\n<<")
    yield _refused("pdf whose table of places is a loop", PDF, _looping_pdf())
    yield Hostile("pdf whose page unpacks to 200 MB", PDF, _swelling_pdf(), ANY)
    yield Hostile("page that hangs", "text/html", b"<a b='" * 100_000, frozenset({"too_costly"}))
    yield Hostile("page of open elements", "text/html", b"<table><tr><td>" * 100_000, ANY)
    yield Hostile("sheet of quotes", "text/csv", b'"' * 1_000_000, ANY)
    yield Hostile("mail of nested parts", "message/rfc822", _nested_mail(), ANY)
    yield Hostile("zeros as text", "text/plain", bytes(1_000), frozenset({"not_text"}))
    yield Hostile("noise as text", "text/plain", random.Random(1).randbytes(20_000), frozenset({"not_text"}))  # noqa: S311


def _refused(name: str, media_type: str, original: bytes) -> Hostile:
    return Hostile(name, media_type, original, frozenset({"malformed", "empty", "too_costly"}))


def _looping_pdf() -> bytes:
    table = b"xref\n0 1\n0000000000 65535 f \ntrailer<</Size 1/Root 1 0 R/Prev 9>>\n"
    return b"%PDF-1.4\n" + table + b"startxref\n9\n%%EOF"


def _swelling_pdf() -> bytes:
    packed = zlib.compress(b"(x) Tj " * 28_000_000, 9)
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R/Resources<<>>>>",
        b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(packed), packed),
    )
    body = b"".join(b"%d 0 obj\n%s\nendobj\n" % (number, each) for number, each in enumerate(objects, 1))
    return b"%PDF-1.4\n" + body + b"trailer<</Size 5/Root 1 0 R>>\n%%EOF"


def _nested_mail() -> bytes:
    heads = "".join(f'Content-Type: multipart/mixed; boundary="b{n}"\r\n\r\n--b{n}\r\n' for n in range(2_000))
    return f"Subject: deep\r\nMIME-Version: 1.0\r\n{heads}Content-Type: text/plain\r\n\r\nx".encode()
