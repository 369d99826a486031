"""What a version must reach before it may be published without anybody's answering for it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios.intents.document import INTENTS
from helios.refusals import Refused
from helios.rules import versions
from helios.tenant_settings import IntentGate, TenantSettings

SETTINGS = text("SELECT settings FROM tenants WHERE id = :tenant_id")
COMPARED = {"accuracy": "accuracy", "out_of_scope_auroc": "telling what is out of scope"}


async def publish(
    connection: AsyncConnection, tenant_id: UUID, version: int, reviewer: UUID, note: str | None, *, force: bool
) -> None:
    """Publishes a trained version that passes the tenant's gate, or with `force`, which the audit event says.

    Raises `Refused`, of code `gate_not_passed` where it does not pass.
    """
    row = await versions.publishable(connection, INTENTS, tenant_id, version, reviewer)
    in_force = await versions.published(connection, INTENTS, tenant_id)
    settings = (await connection.execute(SETTINGS, {"tenant_id": tenant_id})).scalar_one()
    found = failings(row.report, in_force.version, TenantSettings.of(settings).intents)
    if found and not force:
        raise Refused("gate_not_passed", f"{'; '.join(found)}.")
    if found and not note:
        raise Refused("gate_not_passed", "To publish it all the same, say why in `note`.")
    detail = {"forced": True, "failings": len(found)} if found else None
    await versions.publish(connection, INTENTS, tenant_id, version, reviewer, note, detail)


def failings(report: dict[str, Any], in_force: int, gate: IntentGate) -> list[str]:
    """What keeps a version with this report from being published beside version `in_force`, in words."""
    found = []
    if report["accuracy"] is None or report["accuracy"] < gate.accuracy_least:
        found.append(f"its accuracy of {report['accuracy']} is below {gate.accuracy_least}")
    against = report["against"]
    if against is None:
        return found
    if against["version"] != in_force:
        return [*found, f"it was compared with version {against['version']}, and version {in_force} is in force"]
    for name, words in COMPARED.items():
        new, published = against["new"][name], against["published"][name]
        if new is not None and published is not None and new < published - gate.margin:
            found.append(f"{words} is {new}, version {in_force} reaches {published} on the same examples")
    return found
