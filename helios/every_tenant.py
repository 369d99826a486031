"""One question to every tenant in few round trips. The database asks them one by one, as if each were the caller's: a
row of one never meets a row of another, and row-level security stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from helios.database import Database

AT_ONCE: Final = 500
"""Tenants in one transaction: it is over within a second, and nothing has to wait for its end for long."""
TENANTS = text("SELECT id FROM tenants WHERE :deleted OR deleted_at IS NULL")
ASK = text(
    "SELECT * FROM rows_of_tenants(:question, CAST(:parameters AS jsonb), CAST(:tenants AS uuid[]))"
).columns(tenant_id=Uuid(), answer=JSONB())  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """A row of a tenant, as JSON has it: times and ids are strings."""

    tenant_id: UUID
    row: Mapping[str, Any]


async def ask_every_tenant(
    database: Database, question: str, parameters: Mapping[str, Any] | None = None, *, deleted: bool = False
) -> list[Found]:
    """`question`: a SELECT, a constant of ours, with the tenant as `$1` and the parameters, as jsonb, as `$2`.
    `deleted`: asks the tenants, too, that have been deleted.
    """
    async with database.platform() as connection:
        tenants = list(await connection.scalars(TENANTS, {"deleted": deleted}))
    found: list[Found] = []
    for first in range(0, len(tenants), AT_ONCE):
        asked = {
            "question": question,
            "parameters": json.dumps(parameters or {}),
            "tenants": tenants[first : first + AT_ONCE],
        }
        async with database.platform() as connection:
            found += [Found(row.tenant_id, row.answer) for row in await connection.execute(ASK, asked)]
    return found
