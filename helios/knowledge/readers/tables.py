"""Tables as text that stays true when a row is read alone, which is what happens to a passage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

Row = Sequence[str]


def table_text(rows: Sequence[Row], *, has_head: bool | None = None) -> str:
    """A paragraph a row: `Account: Basic, Fee: 3 dollars.` under a head, else `Basic | 3 dollars`.

    `has_head`: whether the first row names the columns; None where the file does not say.
    """
    cleaned = [[" ".join(cell.split()) for cell in row] for row in rows]
    filled = [row for row in cleaned if any(row)]
    head = has_head if has_head is not None else _looks_like_a_head(filled)
    return "\n\n".join(_records(filled) if head and len(filled) > 1 else (_plain(row) for row in filled))


def _looks_like_a_head(rows: Sequence[Row]) -> bool:
    """Names without figures, each another one, above at least one column that is figures all the way, or above three
    columns: in a table of two, the first row is else as likely a pair like those below."""
    if len(rows) < 2 or len(rows[0]) < 2:
        return False
    first, *body = rows
    named = all(first) and len(set(first)) == len(first) and not any(map(_has_figure, first))
    columns = [[row[place] for row in body if place < len(row)] for place in range(len(first))]
    return named and (len(first) > 2 or any(column and all(map(_has_figure, column)) for column in columns))


def _has_figure(cell: str) -> bool:
    return any(map(str.isdigit, cell))


def _records(rows: Sequence[Row]) -> Iterator[str]:
    head, *body = rows
    for row in body:
        names = [*head, *[""] * (len(row) - len(head))]
        cells = zip(names, row, strict=False)
        yield ", ".join(f"{name}: {value}" if name else value for name, value in cells if value) + "."


def _plain(row: Row) -> str:
    return " | ".join(cell for cell in row if cell)
