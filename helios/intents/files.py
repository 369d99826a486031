"""Examples out of a CSV file: a header with `intent` and `text`; several intents of a text stand apart by `|`."""

from __future__ import annotations

import csv
import io
from typing import Final

from helios.intents.examples import CHARACTERS_MOST, EXAMPLES_MOST, Example
from helios.rules.policy_document import Wrong

POINTER: Final = "/file/content"
COLUMNS: Final = {"intent", "text"}


class FileRefused(Exception):
    """`wrong`: where, and why it cannot be read."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.wrong: Wrong = (POINTER, detail)


def examples_of_csv(content: bytes) -> list[Example]:
    """In UTF-8, with commas or semicolons. Raises `FileRefused`."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileRefused("is not UTF-8") from None
    head = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=";" if head.count(";") > head.count(",") else ",")
    if not set(reader.fieldnames or ()) >= COLUMNS:
        raise FileRefused("has no header with the columns intent and text")
    found: list[Example] = []
    try:
        for row in reader:
            found.append(_example(row.get("text") or "", row.get("intent") or "", reader.line_num))
            if len(found) > EXAMPLES_MOST:
                raise FileRefused(f"has more than {EXAMPLES_MOST} examples")
    except csv.Error:
        raise FileRefused(f"line {reader.line_num}: is not CSV") from None
    return found


def _example(text: str, intent: str, line: int) -> Example:
    if not text.strip() or "\0" in text:
        raise FileRefused(f"line {line}: has no readable text")
    if len(text) > CHARACTERS_MOST:
        raise FileRefused(f"line {line}: an example has at most {CHARACTERS_MOST} characters")
    names = tuple(name.strip() for name in intent.split("|") if name.strip())
    return Example(text, names, POINTER, f"line {line}: ")
