"""Why there is no text to be had of a document."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from helios.uploads import OLE, UploadRefused, check_archive

ENCRYPTED_STREAM = "EncryptedPackage".encode("utf-16-le")
"""Names the part of an OLE container in which Office keeps a document with a password (MS-OFFCRYPTO 2.3.4.4)."""


class ParsingError(Exception):
    """There is no text to be had. `code` is one of `schema.ingestion.FAILURES`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@contextmanager
def damaged_where_it_breaks() -> Iterator[None]:
    """A hostile file reaches any line of a library: what that raises makes the file `malformed`.

    Memory and recursion at their end are the business of the process (`too_costly`).
    """
    try:
        yield
    except (ParsingError, MemoryError, RecursionError):
        raise
    except Exception as error:
        raise ParsingError("malformed") from error


def check_office(original: bytes) -> None:
    """Raises `ParsingError` for a document with a password and for an archive that must not be unpacked."""
    if original.startswith(OLE):
        raise ParsingError("protected" if ENCRYPTED_STREAM in original else "malformed")
    try:
        check_archive(original)
    except UploadRefused:
        raise ParsingError("malformed") from None
