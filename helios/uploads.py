"""What an uploaded file must be before anything looks inside: what its name says, and no bomb. It unpacks nothing.

How large an upload may be, the edge says (`api/bodies.py`); what reads a file does so in a process that may be killed
(`helios/knowledge/parsing_process.py`).
"""

from __future__ import annotations

import io
import zipfile
from pathlib import PurePosixPath

PDF = "application/pdf"
RTF = "application/rtf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ODT = "application/vnd.oasis.opendocument.text"
EPUB = "application/epub+zip"

MIB = 1024 * 1024
ENTRIES_MAX = 2_000
UNPACKED_MAX = 100 * MIB
# Office documents are XML, which packs well; a bomb packs a thousandfold and more.
RATIO_MAX = 120
RATIO_FROM = MIB
DIRECTORY_ENTRY_MAX = 46 + 1_024
END_OF_DIRECTORY = b"PK\x05\x06"

ARCHIVE = b"PK\x03\x04"
OLE = b"\xd0\xcf\x11\xe0"
"""Of Office before 2007, and around a document with a password: its reader says which of the two it is."""
MEMBERS = {
    DOCX: {"word/document.xml"}, PPTX: {"ppt/presentation.xml"}, XLSX: {"xl/workbook.xml"},
    ODT: {"content.xml", "encrypted-package"}, EPUB: {"META-INF/container.xml"},
}  # fmt: skip
"""What an archive of this media type holds, one of these at least."""
MAGIC: dict[str, tuple[bytes, ...]] = {PDF: (b"%PDF-",), RTF: (b"{\\rtf",), **dict.fromkeys(MEMBERS, (ARCHIVE,))}
MAGIC |= dict.fromkeys((DOCX, PPTX, XLSX), (ARCHIVE, OLE))
"""How a file of this media type begins. The others are text."""
NEVER_TEXT = (
    b"%PDF-", ARCHIVE, OLE, END_OF_DIRECTORY, b"\x1f\x8b", b"\xfd7zXZ", b"7z\xbc\xaf", b"\x28\xb5\x2f\xfd", b"\x7fELF",
    b"\x89PNG", b"\xff\xd8\xff",
)  # fmt: skip


class UploadRefused(Exception):
    """`reason` is a word for people and metrics; it holds nothing of the file."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def check_upload(media_type: str, body: bytes) -> None:
    """Raises `UploadRefused` where a file is not of its kind, or is an archive that must not be unpacked."""
    begins = MAGIC.get(media_type)
    if body.startswith(NEVER_TEXT) if begins is None else not body.startswith(begins):
        raise UploadRefused("content")
    if body.startswith(ARCHIVE) and MEMBERS[media_type].isdisjoint(each.filename for each in check_archive(body)):
        raise UploadRefused("content")


def check_archive(body: bytes) -> list[zipfile.ZipInfo]:
    """The entries of a zip archive, none of them unpacked. Raises `UploadRefused` for what must not be unpacked."""
    _check_directory(body)
    try:
        entries = zipfile.ZipFile(io.BytesIO(body)).infolist()
    except (zipfile.BadZipFile, RuntimeError, ValueError, OSError):
        raise UploadRefused("archive") from None
    if len(entries) > ENTRIES_MAX:
        raise UploadRefused("entries")
    if sum(each.file_size for each in entries) > UNPACKED_MAX:
        raise UploadRefused("unpacked_size")
    if len({each.filename for each in entries}) != len(entries):
        raise UploadRefused("archive")
    for each in entries:
        _check_entry(each)
    _check_overlap(entries, len(body))
    return entries


def _check_directory(body: bytes) -> None:
    """Before the library reads the directory, which takes time and memory for each of its entries."""
    at = body.rfind(END_OF_DIRECTORY, max(0, len(body) - 22 - 65_535))
    if at < 0 or len(body) < at + 22:
        raise UploadRefused("archive")
    if int.from_bytes(body[at + 12 : at + 16], "little") > ENTRIES_MAX * DIRECTORY_ENTRY_MAX:
        raise UploadRefused("entries")


def _check_entry(entry: zipfile.ZipInfo) -> None:
    path = PurePosixPath(entry.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in entry.filename or "\x00" in entry.filename:
        raise UploadRefused("archive")
    if entry.flag_bits & 0x1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UploadRefused("archive")
    if entry.file_size > RATIO_FROM and entry.file_size > RATIO_MAX * max(entry.compress_size, 1):
        raise UploadRefused("ratio")


def _check_overlap(entries: list[zipfile.ZipInfo], size: int) -> None:
    """Entries that share their packed bytes unpack to many times what is there (the quoted-overlap bomb)."""
    end = 0
    for each in sorted(entries, key=lambda entry: entry.header_offset):
        if each.header_offset < end:
            raise UploadRefused("overlap")
        end = each.header_offset + 30 + len(each.filename.encode()) + each.compress_size
    if end > size:
        raise UploadRefused("archive")
