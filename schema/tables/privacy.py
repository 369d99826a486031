"""What a person may ask of their data, and what regulation answers: keys, requests, statutory copies, legal holds."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field

from schema.tables.columns import (
    OfTenant,
    foreign_key,
    json_column,
    now_column,
    sealed_column,
    time_column,
)


class CustomerKey(OfTenant, table=True):
    """A customer's `ops` or `record` key, wrapped by the tenant's. Destroyed: the row stays without the key."""

    __tablename__ = "customer_keys"
    __table_args__ = (
        foreign_key("customers", "customer_id"),
        UniqueConstraint("tenant_id", "customer_id", "kind"),
    )
    customer_id: UUID
    kind: str
    tenant_key_version: int
    wrapped_key: bytes | None = Field(default=None, sa_type=LargeBinary)
    created_at: datetime = now_column()
    destroyed_at: datetime | None = time_column()


class PrivacyRequest(OfTenant, table=True):
    """A customer's request for their data, or for its erasure.

    status  `awaiting_verification`, `awaiting_approval`, `running`, `held` by a legal hold, `done`, `refused`
    """

    __tablename__ = "privacy_requests"
    __table_args__ = (
        foreign_key("customers", "customer_id"),
        Index("ix_privacy_requests_time", "tenant_id", "created_at", "id"),
        # Of each kind one at a time for one customer.
        Index(
            "uq_privacy_requests_open",
            "tenant_id",
            "customer_id",
            "kind",
            unique=True,
            postgresql_where=text("completed_at IS NULL"),
        ),
    )
    kind: str
    customer_id: UUID
    status: str
    requested_by: UUID | None = None
    verified_by: UUID | None = None
    verified_how: str | None = None
    verified_at: datetime | None = time_column()
    approved_by: UUID | None = None
    approved_at: datetime | None = time_column()
    refusal: str | None = None
    received_at: datetime = Field(sa_type=DateTime(timezone=True))
    due_at: datetime = Field(sa_type=DateTime(timezone=True))
    """One month after it was received: GDPR, article 12 (3)."""
    result: dict[str, Any] = json_column()
    """Counts of what was erased or exported; no content."""
    export_ct: bytes | None = sealed_column()
    export_until: datetime | None = time_column()
    exported_at: datetime | None = time_column()
    created_at: datetime = now_column()
    updated_at: datetime = now_column()
    completed_at: datetime | None = time_column()


class StatutoryRecord(OfTenant, table=True):
    """The copy of an erased conversation that regulation makes us keep, under the customer's record key.

    `retain_until` has passed and no hold stands: `content_ct` goes, the row stays as a tombstone.
    """

    __tablename__ = "statutory_records"
    __table_args__ = (
        foreign_key("customers", "customer_id"),
        foreign_key("threads", "conversation_id"),
        UniqueConstraint("tenant_id", "conversation_id"),
        Index("ix_statutory_records_due", "tenant_id", "retain_until", postgresql_where=text("destroyed_at IS NULL")),
    )
    customer_id: UUID
    conversation_id: UUID
    record_class: str
    content_ct: bytes | None = sealed_column()
    retain_until: datetime = Field(sa_type=DateTime(timezone=True))
    created_at: datetime = now_column()
    destroyed_at: datetime | None = time_column()


class LegalHold(OfTenant, table=True):
    """Nothing of this customer is erased or expires while it stands.

    status  `proposed` and `release_proposed` wait for a second person, where the tenant wants one
    """

    __tablename__ = "legal_holds"
    __table_args__ = (
        foreign_key("customers", "customer_id"),
        Index("ix_legal_holds_customer", "tenant_id", "customer_id"),
        Index("ix_legal_holds_time", "tenant_id", "created_at", "id"),
    )
    customer_id: UUID
    status: str
    matter_ct: bytes = sealed_column(nullable=False)
    placed_by: UUID | None = None
    confirmed_by: UUID | None = None
    release_by: UUID | None = None
    released_by: UUID | None = None
    created_at: datetime = now_column()
    placed_at: datetime | None = time_column()
    released_at: datetime | None = time_column()
