"""A report that a schedule made, without waiting for the end of a month."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from helios.crypto import RootKey
from helios.database import Database
from helios.reports.catalogue import REPORTS
from helios.reports.scheduled import TENANT, keep
from helios.tenant_keys import read_keys


async def kept_report(database: Database, root: RootKey, tenant_id: UUID, period: str | None = None) -> str:
    """The id of a complaints register of that period; of one whose retention has not ended, if it is not said."""
    recent = f"{datetime.now(UTC).year - 1}"
    async with database.tenant(tenant_id) as connection:
        keys = await read_keys(connection, root, tenant_id)
        tenant = (await connection.execute(TENANT, {"tenant_id": tenant_id})).one()
        return str(await keep(connection, keys, tenant, REPORTS["complaints"], period or recent))
