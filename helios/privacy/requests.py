"""Requests for access and erasure: asked, verified, approved where the tenant wants a second person, then carried out.

Each function is part of the caller's transaction, writes its audit event there, and raises `Refused` for what the
request's state does not allow.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from helios import audit
from helios.audit import ActorType
from helios.refusals import Refused
from helios.tenant_settings import TenantSettings
from schema.privacy import RequestKind, Verification
from schema.tables import PrivacyRequest

Actor = tuple[ActorType, UUID | None]

SETTINGS = text("SELECT settings FROM tenants WHERE id = :tenant_id")
CUSTOMER = text("SELECT id, frozen_at, erased_at FROM customers WHERE tenant_id = :tenant_id AND id = :id FOR UPDATE")
OPEN = text(
    "SELECT EXISTS (SELECT FROM privacy_requests WHERE tenant_id = :tenant_id AND customer_id = :customer_id "
    "AND kind = :kind AND completed_at IS NULL)"
)
LOCKED = text("SELECT * FROM privacy_requests WHERE tenant_id = :tenant_id AND id = :id FOR UPDATE")
VERIFIED = text(
    "UPDATE privacy_requests SET status = :status, verified_by = :by, verified_how = :how, verified_at = now(), "
    "updated_at = now() WHERE tenant_id = :tenant_id AND id = :id"
)
APPROVED = text(
    "UPDATE privacy_requests SET status = 'running', approved_by = :by, approved_at = now(), updated_at = now() "
    "WHERE tenant_id = :tenant_id AND id = :id"
)
REFUSED = text(
    "UPDATE privacy_requests SET status = 'refused', refusal = :reason, completed_at = now(), updated_at = now() "
    "WHERE tenant_id = :tenant_id AND id = :id"
)


async def ask(
    connection: AsyncConnection,
    tenant_id: UUID,
    request_id: UUID,
    kind: RequestKind,
    customer_id: UUID,
    received_at: datetime | None,
    actor: Actor,
) -> None:
    """Files the request. The clock runs from the moment in which it was received, whoever wrote it down."""
    found = (await connection.execute(CUSTOMER, {"tenant_id": tenant_id, "id": customer_id})).one_or_none()
    if found is None:
        raise Refused("not_found")
    if found.frozen_at is not None:
        raise Refused("customer_erased")
    where = {"tenant_id": tenant_id, "customer_id": customer_id, "kind": kind}
    if (await connection.execute(OPEN, where)).scalar_one():
        raise Refused("request_open")
    received = received_at or datetime.now(UTC)
    await connection.execute(
        insert(PrivacyRequest).values(
            **where,
            id=request_id,
            status="awaiting_verification",
            requested_by=actor[1],
            received_at=received,
            due_at=one_month_after(received),
        )
    )
    await _tell(connection, tenant_id, request_id, "privacy_request.received", actor, kind=kind,
                customer_id=str(customer_id))  # fmt: skip


async def verify(
    connection: AsyncConnection, tenant_id: UUID, request_id: UUID, how: Verification, actor: Actor
) -> bool:
    """Notes who was sure, and why, that the customer is the one who asks. Whether the request may now be carried out.

    GDPR, article 12 (6).
    """
    row = await _locked(connection, tenant_id, request_id, "awaiting_verification")
    settings = TenantSettings.of((await connection.execute(SETTINGS, {"tenant_id": tenant_id})).scalar_one())
    runs = not settings.privacy_four_eyes
    status = "running" if runs else "awaiting_approval"
    await connection.execute(
        VERIFIED, {"tenant_id": tenant_id, "id": request_id, "status": status, "by": actor[1], "how": how}
    )
    await _tell(connection, tenant_id, request_id, "privacy_request.verified", actor, kind=row.kind, how=how)
    return runs


async def approve(connection: AsyncConnection, tenant_id: UUID, request_id: UUID, actor: Actor) -> None:
    """By somebody who neither filed nor verified it."""
    row = await _locked(connection, tenant_id, request_id, "awaiting_approval")
    if actor[1] in (row.requested_by, row.verified_by):
        raise Refused("four_eyes")
    await connection.execute(APPROVED, {"tenant_id": tenant_id, "id": request_id, "by": actor[1]})
    await _tell(connection, tenant_id, request_id, "privacy_request.approved", actor, kind=row.kind)


async def refuse(connection: AsyncConnection, tenant_id: UUID, request_id: UUID, reason: str, actor: Actor) -> None:
    row = await _locked(connection, tenant_id, request_id, "awaiting_verification", "awaiting_approval")
    await connection.execute(REFUSED, {"tenant_id": tenant_id, "id": request_id, "reason": reason})
    await _tell(connection, tenant_id, request_id, "privacy_request.refused", actor, kind=row.kind, reason=reason)


def one_month_after(moment: datetime) -> datetime:
    """The same day of the next month, or its last one: Regulation (EEC) 1182/71, article 3 (2) (c)."""
    year, month = (moment.year, moment.month + 1) if moment.month < 12 else (moment.year + 1, 1)
    for day in range(moment.day, 27, -1):
        try:
            return moment.replace(year=year, month=month, day=day)
        except ValueError:
            continue
    return moment.replace(year=year, month=month)


async def _locked(connection: AsyncConnection, tenant_id: UUID, request_id: UUID, *statuses: str) -> Any:
    row = (await connection.execute(LOCKED, {"tenant_id": tenant_id, "id": request_id})).one_or_none()
    if row is None:
        raise Refused("not_found")
    if row.status not in statuses:
        raise Refused("request_state")
    return row


async def _tell(
    connection: AsyncConnection, tenant_id: UUID, request_id: UUID, action: str, actor: Actor, **detail: Any
) -> None:
    await audit.record(
        connection, tenant_id, action, actor=actor, subject=("privacy_request", request_id), detail=detail
    )
