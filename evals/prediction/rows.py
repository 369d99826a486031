"""Rows of JSONL files, plain or gzipped: read with the line named where one is bad, written in one rename."""

from __future__ import annotations

import gzip
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]


class RowError(Exception):
    """A file can't be read as rows. Says where and why, and never repeats what the row says."""


def read_rows(path: Path, texts: Sequence[str], names: Sequence[str] = ("id",)) -> list[Row]:
    """The rows of `path`: each an object with the fields `texts` (strings) and `names` (strings or integers).

    A name may stand once in a file. Raises `RowError` with the number of the first bad line; blank lines are skipped.
    """
    rows: list[Row] = []
    seen: dict[str, int] = {}
    for number, line in _lines(path):
        row = _parse(path, number, line)
        _check(path, number, row, texts, names)
        first = seen.setdefault(str(row[names[0]]), number)
        if first != number:
            raise RowError(f"{path}, line {number}: the same {names[0]} as line {first}")
        rows.append(row)
    if not rows:
        raise RowError(f"{path}: holds no rows")
    return rows


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Writes `path` whole or not at all, gzipped where its name ends so; how many rows it holds."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    count = 0
    try:
        with os.fdopen(handle, "wb") as raw, _compressed(raw, path) as file:
            for count, row in enumerate(rows, 1):  # noqa: B007 - the count of what was written
                file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        Path(temporary).chmod(0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return count


def _compressed(raw: Any, path: Path) -> Any:
    # No time in the header: the same predictions make the same file.
    return gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) if path.suffix == ".gz" else raw


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    raise RowError(f"{path}, line {number}: not UTF-8") from error
                if text.strip():
                    yield number, text
    except (OSError, EOFError) as error:
        raise RowError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def _parse(path: Path, number: int, line: str) -> Row:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RowError(f"{path}, line {number}: not JSON") from error
    if not isinstance(row, dict):
        raise RowError(f"{path}, line {number}: not an object")
    return row


def _check(path: Path, number: int, row: Row, texts: Sequence[str], names: Sequence[str]) -> None:
    for field in (*names, *texts):
        if field not in row:
            raise RowError(f"{path}, line {number}: no field {field!r}")
    for field in texts:
        if not isinstance(row[field], str):
            raise RowError(f"{path}, line {number}: {field!r} is not a text")
    for field in names:
        if isinstance(row[field], bool) or not isinstance(row[field], str | int):
            raise RowError(f"{path}, line {number}: {field!r} is neither a text nor a whole number")
