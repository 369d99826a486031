"""The reports of a tenant that are due by its schedule."""

from __future__ import annotations

from activities.resources import Resources
from helios.reports.scheduled import make_next
from schema.privacy import TenantRef


async def make_next_report(resources: Resources, ref: TenantRef) -> bool:
    return await make_next(resources.database, await resources.keyring.tenant(ref.tenant_id))
