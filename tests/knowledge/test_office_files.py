"""Slides, sheets, open documents, rich text and books: what is read, what is left out, and hostile ones."""

from __future__ import annotations

import pytest

from evals.formats import hostile, sound
from evals.formats.hostile import Hostile
from helios.knowledge.parsing import ParsingError, to_text
from helios.uploads import DOCX, EPUB, ODT, PPTX, RTF, XLSX, UploadRefused, check_upload

FEES = ["Account: Basic, Monthly fee: 3 dollars.", "Account: Student, Monthly fee: 0 dollars."]
# What these do takes seconds, or takes the process along: `python -m helios eval formats` reads them apart.
COSTLY = (
    *("page that hangs", "page of open", "pdf whose page unpacks", "mail of nested", "rtf of braces"),
    *("xlsx with a cell", "odt with a billion spaces"),
)


def lines(original: bytes, media_type: str) -> list[str]:
    check_upload(media_type, original)
    return [line for line in to_text(original, media_type).splitlines() if line]


@pytest.mark.parametrize(
    ("media_type", "original"),
    [(DOCX, sound.docx()), (PPTX, sound.pptx()), (ODT, sound.odt()), (EPUB, sound.epub())],
    ids=["docx", "pptx", "odt", "epub"],
)
def test_headings_text_and_tables_are_read_and_nothing_hidden(media_type: str, original: bytes) -> None:
    assert lines(original, media_type) == ["## Fees", "What accounts cost:", *FEES]


def test_rich_text_has_its_letters_and_its_tables() -> None:
    assert lines(sound.rtf(), RTF) == ["Gebühren", "What accounts cost:", *FEES]


def test_a_sheets_figures_are_as_they_were_shown() -> None:
    assert lines(sound.xlsx(), XLSX) == [
        "## Fees", "What accounts cost:", "Account: Basic, Monthly fee: $3.00, Interest: 1.25 %.",
        "Account: Student, Monthly fee: 1,250.00 €, Interest: 2 %.",
    ]  # fmt: skip


def test_hostile_files_are_refused_or_read_without_harm() -> None:
    """Made here and not where tests are collected: packing them takes seconds, in every process."""
    files = [each for each in hostile.files() if not each.name.startswith(COSTLY)]
    assert len(files) > 50
    assert [(each.name, became) for each in files if (became := outcome(each)) not in right(each)] == []


def outcome(each: Hostile) -> str:
    try:
        check_upload(each.media_type, each.original)
        to_text(each.original, each.media_type)
    except UploadRefused:
        return "malformed"
    except ParsingError as error:
        return error.code
    return "read"


def right(each: Hostile) -> set[str]:
    return {*each.codes, "malformed"} if each.codes else {"read"}
