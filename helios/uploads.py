"""What may be uploaded, checked before anything looks inside: size, kind, and what an archive would unpack to."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

MIB = 1024 * 1024
ENTRIES_MAX = 2_000
UNPACKED_MAX = 100 * MIB
# Office documents are XML, which packs well; a bomb packs a thousandfold and more.
RATIO_MAX = 120
RATIO_FROM = MIB
DIRECTORY_ENTRY_MAX = 46 + 1_024
ARCHIVES = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!", b"\x28\xb5\x2f\xfd")
END_OF_DIRECTORY = b"PK\x05\x06"


class UploadRefused(Exception):
    """`reason` is a word for people and metrics; it holds nothing of the file."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file by its extension. `magic`: how it begins; empty for text. `member`: what its archive must hold."""

    media_type: str
    size_max: int
    magic: bytes = b""
    member: str = ""


KINDS = {
    ".pdf": Kind("application/pdf", 20 * MIB, b"%PDF-"),
    ".docx": Kind(
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document", 20 * MIB, b"PK\x03\x04",
        "word/document.xml",
    ),
    ".html": Kind("text/html", 5 * MIB),
    ".md": Kind("text/markdown", 5 * MIB),
    ".txt": Kind("text/plain", 5 * MIB),
    ".csv": Kind("text/csv", 5 * MIB),
}  # fmt: skip


def check_upload(name: str, body: bytes) -> Kind:
    """The kind of an uploaded file. Raises `UploadRefused`: size, kind, content, or what an archive holds."""
    kind = KINDS.get(PurePosixPath(name.replace("\\", "/")).suffix.lower())
    if kind is None:
        raise UploadRefused("kind")
    if not 0 < len(body) <= kind.size_max:
        raise UploadRefused("size")
    if kind.magic:
        if not body.startswith(kind.magic):
            raise UploadRefused("content")
    elif not _is_text(body):
        raise UploadRefused("content")
    if kind.member and kind.member not in {each.filename for each in check_archive(body)}:
        raise UploadRefused("content")
    return kind


def _is_text(body: bytes) -> bool:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return False
    return not any(character < " " and character not in "\t\n\r\f" for character in text)


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


def unpack(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Each entry's name and bytes. What an entry declares may be a lie: it is counted while it is unpacked."""
    entries, left = check_archive(body), UNPACKED_MAX
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        for each in entries:
            if each.is_dir():
                continue
            with archive.open(each) as packed:
                try:
                    data = packed.read(min(left, each.file_size) + 1)
                except (zipfile.BadZipFile, zlib.error, RuntimeError, OSError, EOFError, ValueError):
                    raise UploadRefused("archive") from None
            left -= len(data)
            if left < 0:
                raise UploadRefused("unpacked_size")
            if data.startswith(ARCHIVES):  # an archive in an archive, perhaps itself
                raise UploadRefused("nested")
            yield each.filename, data
