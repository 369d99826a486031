"""Bytes to text, also where nobody says in which encoding they are."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from helios.knowledge.readers.refusals import ParsingError

CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
GUESSED = (
    *("cp1250", "cp1251", "cp1253", "cp1255", "cp1256", "koi8_r", "iso8859_5", "cp850"),
    *("shift_jis", "euc_jp", "gb18030", "big5", "euc_kr"),
)
SAMPLE = 20_000
FOREIGN_LETTERS_MAX = 0.3
"""Up to this share of letters outside ASCII a text may be in a Western language."""
IN_DISGUISE = ((re.compile("[ðþýÐÞÝ]"), "cp1254"), (re.compile("¤"), "iso8859_15"))
"""What Western text all but never holds, and where it stands for Turkish letters or the euro sign."""
SIGN_IN_A_WORD = re.compile(r"[^\W\d_][\u00a1-\u00bf\u0192-\u2122]")
PUNCTUATION = str.maketrans("", "", "’‘“”–—…»")


def decode(original: bytes, declared: str | None = None) -> str:
    """The text, in the encoding that its first bytes, the file itself (`declared`) or its letters speak for.

    Raises `ParsingError` (`not_text`) for what is no text in any.
    """
    for encoding in _candidates(original, declared):
        try:
            text = original.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
        if CONTROLS.search(text) is None:
            return text
    raise ParsingError("not_text")


def _candidates(original: bytes, declared: str | None) -> Iterator[str]:
    marked = next((name for mark, name in BYTE_ORDER_MARKS if original.startswith(mark)), None)
    if marked is not None:
        yield marked
        return
    yield "utf-8"
    yield from _without_mark(original)
    if declared is not None:
        yield declared
    western = original[:SAMPLE].decode("cp1252", "replace")
    if _is_western(western):
        yield from (encoding for sign, encoding in IN_DISGUISE if sign.search(western))
    else:
        yield from _guessed(original)
    yield "cp1252"


def _without_mark(original: bytes) -> Iterator[str]:
    """UTF-16 has a zero in every second byte of what is ASCII, which no other encoding of text has."""
    sample = original[:SAMPLE]
    if len(sample) >= 4 and b"\0" in sample:
        yield "utf-16-le" if sample[1::2].count(0) > sample[::2].count(0) else "utf-16-be"


def _is_western(text: str) -> bool:
    letters = [letter for letter in text if unicodedata.category(letter).startswith("L")]
    foreign = sum(letter > "\x7f" for letter in letters)
    signs = SIGN_IN_A_WORD.search(text.translate(PUNCTUATION))
    return "\ufffd" not in text and foreign <= FOREIGN_LETTERS_MAX * len(letters) and signs is None


def _guessed(original: bytes) -> Iterator[str]:
    from charset_normalizer import from_bytes

    best = from_bytes(original[:SAMPLE], cp_isolation=list(GUESSED)).best()
    if best is not None:
        yield best.encoding
