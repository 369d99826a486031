"""A report written down: JSON for programs, CSV for a spreadsheet, a page that prints and needs nothing else."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from helios.reports.making import Made

STYLE = (
    "@page{size:A4 landscape;margin:12mm}"
    "body{font:14px/1.45 system-ui,sans-serif;margin:2rem;color-scheme:light dark}h1{margin:0}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem}dt{font-weight:600}dd{margin:0}"
    "main{overflow-x:auto}table{border-collapse:collapse;width:100%;min-width:60rem;font-size:12px}"
    "td,th{border-bottom:1px solid #8886;padding:.3rem .4rem;text-align:left;vertical-align:top}"
    # Ids and hashes break anywhere: every column is in sight, on paper too.
    "td{overflow-wrap:anywhere}thead{display:table-header-group}tr{break-inside:avoid}"
    "code{font:11px ui-monospace,monospace;overflow-wrap:anywhere}"
    "@media print{body{margin:0}main{overflow:visible}table{min-width:0;font-size:10px}}"
)
CODE = re.compile("`([^`]+)`")
COUNTED = {"ai_oversight": "Decided", "access_review": "Use counted"}
"""What of a report falls into its period, where it is not what was received."""
# A spreadsheet takes a cell that begins like this for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_json(made: Made) -> str:
    return json.dumps(made.as_json(), indent=2, ensure_ascii=False) + "\n"


def as_csv(made: Made) -> str:
    """RFC 4180 with a header line. Times are UTC; several values in a cell stand apart by a semicolon."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(made.report.columns)
    for row in made.rows:
        writer.writerow([_harmless(_cell(row[column])) for column in made.report.columns])
    return out.getvalue()


def as_html(made: Made) -> str:
    report, asked = made.report, made.as_json()
    unsettled = "" if asked["settled"] else " — younger than a minute: changes of that minute may be missing"
    about = {
        "For": made.tenant,
        "Required by": report.basis,
        COUNTED.get(report.name, "Received"): f"from {_local(made, asked['from'])} to before "
        f"{_local(made, asked['to'])}",
        "As known at": f"{_local(made, asked['as_of'])}{unsettled}",
        "To ask for it again": f"`as_of={asked['as_of']}`",
        "Times": made.asked.zone.key,
        "Rows": str(len(made.rows)),
        "SHA-256 of the rows": made.digest,
    }
    head = "".join(f'<th scope="col" title="{html.escape(why.replace("`", ""))}">{_text(_label(name))}</th>'
                   for name, why in report.columns.items())  # fmt: skip
    body = "".join(_row(made, row) for row in made.rows)
    empty = "" if made.rows else f'<tr><td colspan="{len(report.columns)}">Nothing in this period.</td></tr>'
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(report.title)} – {html.escape(made.tenant)}</title><style>{STYLE}</style></head>"
        f"<body><header><h1>{_text(report.title)}</h1><p>{_text(report.about)}</p><dl>"
        + "".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in about.items())
        + f"</dl></header><main tabindex=0><table><thead><tr>{head}</tr></thead><tbody>{body}{empty}</tbody></table>"
        "</main></body></html>\n"
    )


@dataclass(frozen=True, slots=True)
class Form:
    media_type: str
    write: Callable[[Made], str]


FORMS: Mapping[str, Form] = {
    "json": Form("application/json", as_json),
    "csv": Form("text/csv; charset=utf-8", as_csv),
    "html": Form("text/html; charset=utf-8", as_html),
}


def _row(made: Made, row: Mapping[str, Any]) -> str:
    cells = "".join(
        f"<td>{html.escape(_local(made, row[column]) if column.endswith('_at') else _cell(row[column]))}</td>"
        for column in made.report.columns
    )
    return f"<tr>{cells}</tr>"


def _label(column: str) -> str:
    """A column's name in words: `received_at` is Received, `ticket_ids` Tickets."""
    if column == "id":
        return "Id"
    words = re.sub(r"_(at|id)$", "", re.sub(r"_ids$", "s", column)).replace("_", " ")
    return f"{words[0].upper()}{words[1:]}"


def _local(made: Made, moment: str | None) -> str:
    """A moment on the bank's own clock, as people read it; JSON and CSV have it whole, in UTC."""
    if moment is None:
        return ""
    return f"{datetime.fromisoformat(moment).astimezone(made.asked.zone):%Y-%m-%d %H:%M:%S}"


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list():
            return "; ".join(_cell(each) for each in value)
    return str(value)


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def _text(value: str) -> str:
    """Text of ours, in which `this` is code."""
    return CODE.sub(r"<code>\1</code>", html.escape(value))
