"""Follow-ups with customers whose answers rest on a version that was withdrawn."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, text
from sqlmodel import Field, SQLModel

from schema.tables.columns import (
    OfTenant,
    counter_column,
    foreign_key,
    json_column,
    now_column,
    text_column,
    time_column,
)


class FollowUp(OfTenant, table=True):
    """`planned`: how many conversations were to be handled in which way when it was asked for."""

    __tablename__ = "follow_ups"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "source_id", "version"],
            ["knowledge_versions.tenant_id", "knowledge_versions.source_id", "knowledge_versions.version"],
        ),
        Index("ix_follow_ups_version", "tenant_id", "source_id", "version"),
        Index("ix_follow_ups_running", "tenant_id", "id", postgresql_where=text("status = 'running'")),
    )
    source_id: UUID
    version: int
    status: str = text_column("running")
    """`running` or `done`."""
    customers: int = counter_column()
    planned: dict[str, Any] = json_column()
    requested_by: UUID
    created_at: datetime = now_column()
    finished_at: datetime | None = time_column()


class FollowUpConversation(SQLModel, table=True):
    """One conversation is followed up once for a version, whoever asks again."""

    __tablename__ = "follow_up_conversations"
    __table_args__ = (
        foreign_key("follow_ups", "follow_up_id"),
        foreign_key("threads", "conversation_id"),
        Index("ix_follow_up_conversations_status", "tenant_id", "follow_up_id", "status"),
    )
    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id")
    source_id: UUID = Field(primary_key=True)
    version: int = Field(primary_key=True)
    conversation_id: UUID = Field(primary_key=True)
    follow_up_id: UUID
    status: str = text_column("pending")
    """`pending`, `told`, `person` or `left_out`: see `schema.follow_ups`."""
    because: str | None = None
    """Why a person takes it up: see `helios.knowledge.follow_ups`."""
    message_id: UUID | None = None
    escalation_id: UUID | None = None
    signalled_at: datetime | None = time_column()
    done_at: datetime | None = time_column()
