"""Reports that a schedule made, as they were made."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import DateTime, Index, UniqueConstraint, text
from sqlmodel import Field

from schema.tables.columns import OfTenant, now_column, sealed_column, time_column


class ScheduledReport(OfTenant, table=True):
    """A report of one period, under the tenant's key. `retain_until` has passed: the row stays without its content.

    problem  why there is no content, as a published code
    """

    __tablename__ = "scheduled_reports"
    __table_args__ = (
        UniqueConstraint("tenant_id", "name", "period"),
        Index("ix_scheduled_reports_time", "tenant_id", "created_at", "id"),
        Index("ix_scheduled_reports_due", "tenant_id", "retain_until", postgresql_where=text("destroyed_at IS NULL")),
    )
    name: str
    period: str
    since: datetime = Field(sa_type=DateTime(timezone=True))
    until: datetime = Field(sa_type=DateTime(timezone=True))
    as_of: datetime = Field(sa_type=DateTime(timezone=True))
    rows: int | None = None
    sha256: str | None = None
    problem: str | None = None
    content_ct: bytes | None = sealed_column()
    record_class: str
    retain_until: datetime = Field(sa_type=DateTime(timezone=True))
    created_at: datetime = now_column()
    destroyed_at: datetime | None = time_column()
