"""Making one report: its rows, and the digest by which two of them are known to be the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import rfc8785
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT, TIMESTAMP
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from helios import audit
from helios.audit import ActorType
from helios.crypto import Keys
from helios.reports.asked import Asked
from helios.reports.catalogue import Report
from helios.ticket_clocks import EXTENSIONS
from helios.times import moment

ROWS_MAX = 50_000
MOMENT: TypeEngine[Any] = TIMESTAMP(timezone=True)
TYPES: Mapping[str, TypeEngine[Any]] = {
    "since": MOMENT,
    "until": MOMENT,
    "as_of": MOMENT,
    "kinds": ARRAY(TEXT),
    "extensions": JSONB(),
}


class TooLong(Exception):
    """The period has more than `ROWS_MAX` rows."""


@dataclass(frozen=True, slots=True)
class Made:
    """`rows` have the report's columns and JSON's types. `digest` is the SHA-256 of their canonical JSON (RFC 8785)."""

    report: Report
    tenant: str
    asked: Asked
    rows: Sequence[Mapping[str, Any]]
    digest: str

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.report.name,
            "title": self.report.title,
            "basis": self.report.basis,
            "from": moment(self.asked.since),
            "to": moment(self.asked.until),
            "as_of": moment(self.asked.as_of),
            "settled": self.asked.settled,
            "sha256": self.digest,
            "rows": self.rows,
        }


async def make(
    connection: AsyncConnection,
    keys: Keys,
    report: Report,
    asked: Asked,
    *,
    tenant: str,
    actor: tuple[ActorType, UUID | None],
    kept_as: UUID | None = None,
) -> Made:
    """In a transaction of the tenant, whose keys and name these are. That a report was made is an audit event.

    `kept_as`: the id under which it is kept.

    Raises `TooLong`.
    """
    tenant_id = keys.tenant_id
    values: dict[str, Any] = {
        "tenant_id": tenant_id,
        "since": asked.since,
        "until": asked.until,
        "as_of": asked.as_of,
        "kinds": list(report.kinds),
        "extensions": {longer: each.of for longer, each in EXTENSIONS.items()},
        "most": ROWS_MAX + 1,
    }
    needed = {each: value for each, value in values.items() if f":{each}" in report.sql}
    typed = [bindparam(each, type_=TYPES[each]) for each in needed if each in TYPES]
    found = await connection.execute(text(report.sql).bindparams(*typed), needed)
    rows = [_opened(keys, report, dict(row)) for row in found.mappings()]
    if len(rows) > ROWS_MAX:
        raise TooLong
    digest = hashlib.sha256(rfc8785.dumps(rows)).hexdigest()
    period = {"from": moment(asked.since), "to": moment(asked.until), "as_of": moment(asked.as_of)}
    await audit.record(connection, tenant_id, "report.made", actor=actor, subject=("report", kept_as),
                       detail={"name": report.name, **period, "rows": len(rows), "sha256": digest})  # fmt: skip
    return Made(report, tenant, asked, rows, digest)


def _opened(keys: Keys, report: Report, row: Mapping[str, Any]) -> dict[str, Any]:
    """As the report shows it. Beside a column that may be sealed the query has another with the ciphertext."""
    shown = {column: _plain(row[column]) for column in report.columns}
    for column, place in report.sealed.items():
        if row[f"{column}_ct"] is not None:
            shown[column] = keys.open_text(row[f"{column}_ct"], place, row["id"])
    return shown


def _plain(value: Any) -> Any:
    match value:
        case UUID():
            return str(value)
        case datetime():
            return moment(value)
        case Decimal():
            return float(value)
        case list():
            return [_plain(each) for each in value]
    return value
