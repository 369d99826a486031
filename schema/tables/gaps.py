"""Knowledge gaps: questions that nothing answered, and the groups of those that ask the same."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index
from sqlmodel import Field, SQLModel

from schema.tables.columns import (
    OfTenant,
    counter_column,
    foreign_key,
    json_column,
    now_column,
    sealed_column,
    text_column,
)


class KnowledgeGap(OfTenant, table=True):
    """`nearest` are the articles that come nearest: numbers and ids. How many ask is counted from the questions."""

    __tablename__ = "knowledge_gaps"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "source_id", "version"],
            ["knowledge_versions.tenant_id", "knowledge_versions.source_id", "knowledge_versions.version"],
        ),
    )
    status: str = text_column("open")
    """`open`, `drafted`, `dismissed` or `solved`."""
    nearest: list[dict[str, Any]] = json_column("[]")
    source_id: UUID | None = None
    version: int | None = None
    """The draft that was made of it."""
    created_at: datetime = now_column()
    updated_at: datetime = now_column()


class GapQuestion(SQLModel, table=True):
    """A turn whose question nothing answered, redacted and under its customer's key, as is its vector.

    cause      `declined`, `ungrounded` or `unhelpful`
    answer_ct  what a person answered instead, redacted
    place      how near it is to the middle of its gap: 0 is the nearest
    """

    __tablename__ = "gap_questions"
    __table_args__ = (
        foreign_key("threads", "conversation_id"),
        foreign_key("knowledge_gaps", "gap_id"),
        Index("ix_gap_questions_gap", "tenant_id", "gap_id", "asked_at"),
    )
    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id")
    conversation_id: UUID = Field(primary_key=True)
    turn: int = Field(primary_key=True)
    gap_id: UUID | None = None
    place: int = counter_column()
    cause: str
    language: str
    channel: str | None = None
    intent: str | None = None
    question_ct: bytes = sealed_column(nullable=False)
    vector_ct: bytes = sealed_column(nullable=False)
    embedder: str
    answer_ct: bytes | None = sealed_column()
    asked_at: datetime = now_column()
