"""An audit event as bytes: the canonical JSON (RFC 8785) of its row. It holds ids, enums and scores, and no person.

Whoever has these bytes can check them without us: a leaf of the tree is SHA-256 over 0x00 and the bytes.

Millions of events are verified one by one, so the form is written down here with its names in their order, and only a
`detail` that is more than words and whole numbers goes through the library.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from json.encoder import encode_basestring as quoted
from typing import Any, Final
from uuid import UUID

import rfc8785

COLUMNS: Final = "audits.id, action, actor_type, actor_id, subject_type, subject_id, detail, occurred_at"
EXACT_MAX: Final = 2**53 - 1
"""Beyond it an integer has no canonical form (RFC 8785, section 3.2.2.3)."""
CONSTANTS: Final = {None: "null", True: "true", False: "false"}


def canonical(tenant_id: UUID | str, row: Any) -> bytes:
    """`row` has the columns of `COLUMNS`. An id that is text already need not be written again for each event."""
    occurred_at = row.occurred_at.astimezone(UTC).isoformat(timespec="microseconds")
    return (
        f'{{"action":{quoted(row.action)},'
        f'"actor":{{"id":{_id(row.actor_id)},"type":{quoted(row.actor_type)}}},'
        f'"detail":{_canonical_detail(row.detail)},'
        f'"id":"{row.id}",'
        f'"occurred_at":"{occurred_at}",'
        f'"subject":{{"id":{_id(row.subject_id)},"type":{quoted(row.subject_type)}}},'
        f'"tenant_id":"{tenant_id}"}}'
    ).encode()


def _canonical_detail(detail: Mapping[str, Any]) -> str:
    """Whatever is not plain goes to the library: fractions are written by rules of their own, and so are the places of
    some alphabets."""
    parts = []
    for name in sorted(detail):
        value = detail[name]
        kind = type(value)
        if not name.isascii():
            return rfc8785.dumps(detail).decode()
        if kind is str:
            written = quoted(value)
        elif kind is int and -EXACT_MAX <= value <= EXACT_MAX:
            written = str(value)
        elif value is None or kind is bool:
            written = CONSTANTS[value]
        else:
            return rfc8785.dumps(detail).decode()
        parts.append(f"{quoted(name)}:{written}")
    return f"{{{','.join(parts)}}}"


def _id(value: Any) -> str:
    return "null" if value is None else f'"{value}"'
