"""Tables of figures: CSV by Python's own reader, XLSX by openpyxl.

Formulas are never computed: what the spreadsheet showed when it was saved is what is read. Hidden sheets are left out.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from itertools import groupby
from typing import Any

from helios.knowledge.readers.encodings import decode
from helios.knowledge.readers.refusals import check_office, damaged_where_it_breaks
from helios.knowledge.readers.tables import table_text

CURRENCIES = "$€£¥₺₹"
CURRENCY_CODE = re.compile(r"\[\$([^\]-]*)[^\]]*\]")
"""`[$€-407]`: a sign with the language that it is written in."""


def csv_to_markdown(original: bytes) -> str:
    text = decode(original)
    try:
        dialect: type[csv.Dialect] = csv.Sniffer().sniff(text[:20_000], delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel
    with damaged_where_it_breaks():
        return table_text(list(csv.reader(io.StringIO(text), dialect)), has_head=True)


def xlsx_to_markdown(original: bytes) -> str:
    """Each sheet under a heading of its name; blank rows part its tables."""
    import openpyxl

    check_office(original)
    with damaged_where_it_breaks():
        book = openpyxl.load_workbook(io.BytesIO(original), read_only=True, data_only=True, keep_links=False)
        parts = [part for sheet in book.worksheets if sheet.sheet_state == "visible" for part in _sheet(sheet)]
    return "\n\n".join(parts)


def _sheet(sheet: Any) -> Iterator[str]:
    # What a file says of its own extent need not be true.
    sheet.reset_dimensions()
    rows = ([_shown(cell) for cell in row] for row in sheet.iter_rows())
    blocks = [list(block) for filled, block in groupby(rows, any) if filled]
    if blocks:
        yield f"## {sheet.title}"
    for block in blocks:
        titles, table = _titles_and_table(block)
        yield from titles
        yield table_text(table)


def _titles_and_table(block: Sequence[list[str]]) -> tuple[list[str], list[list[str]]]:
    """The rows with a single cell above a table say what it is about."""
    first = next((place for place, row in enumerate(block) if sum(map(bool, row)) > 1), len(block))
    titles = ["".join(row) for row in block[:first]]
    body = block[first:]
    # Columns that are empty throughout are only there to set the table off.
    width = max(map(len, body), default=0)
    used = [place for place in range(width) if any(place < len(row) and row[place] for row in body)]
    return titles, [[row[place] if place < len(row) else "" for place in used] for row in body]


def _shown(cell: Any) -> str:
    """What the spreadsheet shows: 0.045 in a column of percentages is 4.5 %."""
    value = cell.value
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "minutes")
    if isinstance(value, date | time):
        return value.isoformat()
    return _figure(value, cell.number_format or "") if isinstance(value, int | float) else str(value)


def _figure(value: float, number_format: str) -> str:
    shown = CURRENCY_CODE.sub(r"\1", number_format.partition(";")[0])
    decimals = shown.partition(".")[2]
    places = len(decimals) - len(decimals.lstrip("0"))
    precision = f".{places}f" if places else ".15g"
    if "%" in shown:
        return f"{round(value * 100, 10):{precision}} %"
    figure = f"{value:{',' if ',' in shown else ''}{precision}}"
    sign = next((sign for sign in CURRENCIES if sign in shown), "")
    return f"{figure} {sign}" if shown.find(sign) > shown.find("0") else f"{sign}{figure}"
