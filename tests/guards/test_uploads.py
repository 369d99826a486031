"""Uploads: what is refused before anything looks inside."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest

from helios import uploads
from helios.uploads import DOCX, OLE, PDF, UploadRefused, check_archive, check_upload


def packed(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return made.getvalue()


WORD = packed({"[Content_Types].xml": b"<Types/>", "word/document.xml": b"<w:document/>"})


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        (PDF, b"%PDF-1.7\n..."),
        (DOCX, WORD),
        (DOCX, OLE + b"with a password"),
        ("text/plain", "Grüße\n".encode()),
        ("text/plain", "Grüße".encode("utf-16")),
        ("text/html", b"<!doctype html><p>x"),
        ("text/csv", b"\xef\xbb\xbfa;b\n1;2\n"),
        ("text/markdown", b""),
    ],
)
def test_what_is_what_it_says_is_taken(media_type: str, body: bytes) -> None:
    check_upload(media_type, body)


@pytest.mark.parametrize(
    ("media_type", "body", "reason"),
    [
        (PDF, b"MZ\x90\x00", "content"),
        (PDF, b" %PDF-1.7", "content"),
        (PDF, WORD, "content"),
        (PDF, b"", "content"),
        (DOCX, b"%PDF-1.7", "content"),
        (DOCX, packed({"x": b"y"}), "content"),
        ("text/plain", WORD, "content"),
        ("text/csv", b"%PDF-1.7", "content"),
        ("text/html", b"\x89PNG\r\n", "content"),
        ("message/rfc822", b"\x1f\x8b\x08", "content"),
        (DOCX, WORD[:-30], "archive"),
        (DOCX, b"PK\x03\x04" + b"\x00" * 100, "archive"),
        (DOCX, packed({"word/document.xml": b"\x00" * 2_000_000}), "ratio"),
    ],
)
def test_what_is_not_what_it_says_is_refused(media_type: str, body: bytes, reason: str) -> None:
    with pytest.raises(UploadRefused, match=reason):
        check_upload(media_type, body)


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = packed({"word/document.xml": b"\x00" * 20_000_000})
    assert len(bomb) < 40_000
    spread = packed({f"{n}.xml": bytes(uploads.MIB) for n in range(101)})
    many = packed({f"{n}": b"" for n in range(uploads.ENTRIES_MAX + 1)}, zipfile.ZIP_STORED)

    def never(*_: object, **__: object) -> None:
        raise AssertionError("something was unpacked")

    monkeypatch.setattr(zipfile.ZipFile, "open", never)
    for body, reason in ((bomb, "ratio"), (spread, "unpacked_size"), (many, "entries")):
        with pytest.raises(UploadRefused, match=reason):
            check_archive(body)


def test_a_directory_that_is_too_long_is_not_even_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZipFile", None)
    directory = uploads.ENTRIES_MAX * uploads.DIRECTORY_ENTRY_MAX + 1
    body = b"PK\x03\x04" + b"PK\x05\x06" + struct.pack("<4H2LH", 0, 0, 1, 1, directory, 0, 0)
    with pytest.raises(UploadRefused, match="entries"):
        check_archive(body)


def test_entries_that_share_their_bytes_are_refused() -> None:
    """The overlapping bomb: a thousand names for one packed text."""
    body = packed({"0": b"x" * 500_000})
    at = body.index(b"PK\x01\x02")
    entry, end = body[at:-22], body[-22:]
    again = b"".join(entry.replace(b"0", b"%d" % n, 1) if n else entry for n in range(2))
    names = [entry[:46] + b"%d" % n for n in range(3)]
    directory = b"".join(names)
    tail = end[:8] + struct.pack("<2H2L", 3, 3, len(directory), at) + end[20:]
    assert again
    with pytest.raises(UploadRefused, match="overlap"):
        check_archive(body[:at] + directory + tail)


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "a/../../b", "C:\\x", "a\\..\\..\\b"])
def test_an_entry_that_leaves_its_folder_is_refused(name: str) -> None:
    with pytest.raises(UploadRefused, match="archive"):
        check_archive(packed({name: b"x"}))


def test_an_encrypted_archive_is_refused() -> None:
    encrypted = bytearray(packed({"a": b"x"}))
    encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(UploadRefused, match="archive"):
        check_archive(bytes(encrypted))
