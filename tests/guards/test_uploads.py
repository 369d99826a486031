"""Uploads: what is refused before anything looks inside, and archives that would not end."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import pytest

from helios import uploads
from helios.uploads import KINDS, UploadRefused, check_archive, check_upload, unpack


def packed(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return made.getvalue()


DOCX = packed({"[Content_Types].xml": b"<Types/>", "word/document.xml": b"<w:document/>"})
GOOD = {
    "a.pdf": b"%PDF-1.7\n...", "A.DOCX": DOCX, "a.txt": "Grüße\n".encode(), "a.md": b"# Fees", "a.csv": b"a;b\n1;2\n",
    "a.html": b"<!doctype html><p>x", "\u00fc\u2028.txt": b"x", "bom.txt": b"\xef\xbb\xbfx",
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_what_is_what_it_says_is_taken(name: str) -> None:
    assert check_upload(name, GOOD[name]) is KINDS["." + name.rsplit(".", 1)[1].lower()]


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("a", b"x", "kind"),
        ("a.exe", b"MZ", "kind"),
        ("a.pdf.exe", b"%PDF-1.7", "kind"),
        (".pdf", b"%PDF-1.7", "kind"),
        ("a.svg", b"<svg/>", "kind"),
        ("a.txt", b"", "size"),
        ("a.txt", b"x" * (KINDS[".txt"].size_max + 1), "size"),
        ("a.pdf", b"x" * (KINDS[".pdf"].size_max + 1), "size"),
        ("a.pdf", b"MZ\x90\x00", "content"),
        ("a.pdf", b" %PDF-1.7", "content"),
        ("a.pdf", DOCX, "content"),
        ("a.docx", b"%PDF-1.7", "content"),
        ("a.docx", packed({"x": b"y"}), "content"),
        ("a.txt", b"a\x00b", "content"),
        ("a.txt", DOCX, "content"),
        ("a.html", b"\xff\xfe<\x00", "content"),
        ("a.md", b"\x1b[31m", "content"),
        ("a.docx", DOCX[:-30], "archive"),
        ("a.docx", b"PK\x03\x04" + b"\x00" * 100, "archive"),
    ],
)
def test_what_is_not_what_it_says_is_refused(name: str, body: bytes, reason: str) -> None:
    with pytest.raises(UploadRefused, match=reason):
        check_upload(name, body)


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


def test_an_archive_in_an_archive_is_refused_and_so_is_one_that_holds_itself() -> None:
    quine_like = packed({"r.zip": packed({"r.zip": DOCX})})
    for inner in (DOCX, quine_like, zlib.compress(b"x", wbits=31)):
        with pytest.raises(UploadRefused, match="nested"):
            list(unpack(packed({"word/document.xml": b"<x/>", "inner.bin": inner})))


def test_an_entry_that_lies_about_its_size_is_ended() -> None:
    """Declared as ten bytes, it would unpack to a million."""
    body = bytearray(packed({"a": b"\x00" * 1_000_000}))
    for at in (body.index(b"PK\x03\x04") + 22, body.index(b"PK\x01\x02") + 24):
        body[at : at + 4] = struct.pack("<L", 10)
    taken = []
    with pytest.raises(UploadRefused):
        taken += list(unpack(bytes(body)))
    assert not taken


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "a/../../b", "C:\\x", "a\\..\\..\\b"])
def test_an_entry_that_leaves_its_folder_is_refused(name: str) -> None:
    with pytest.raises(UploadRefused, match="archive"):
        check_archive(packed({name: b"x"}))


def test_encrypted_and_broken_archives_are_refused() -> None:
    encrypted = bytearray(packed({"a": b"x"}))
    encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1
    broken = bytearray(packed({"a": b"hello" * 100}))
    broken[40] ^= 0xFF
    with pytest.raises(UploadRefused):
        list(unpack(bytes(encrypted)))
    with pytest.raises(UploadRefused):
        list(unpack(bytes(broken)))


def test_what_is_fit_is_unpacked() -> None:
    files = {"a.xml": b"<a/>", "b/c.txt": "ü".encode() * 10}
    assert dict(unpack(packed(files))) == files
