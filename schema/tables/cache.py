"""The semantic cache: questions whose answers may be given again."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary
from sqlmodel import Field, SQLModel

from schema.tables.columns import now_column, sealed_column


class CachedAnswer(SQLModel, table=True):
    """A turn's question; its answer is the turn's draft. Both are under the key of the customer who asked.

    key  an HMAC of all that two questions must have in common to share an answer
    """

    __tablename__ = "cached_answers"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "conversation_id", "turn"], ["turns.tenant_id", "turns.conversation_id", "turns.number"]
        ),
        Index("ix_cached_answers_key", "tenant_id", "key", "kept_at"),
    )
    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id")
    conversation_id: UUID = Field(primary_key=True)
    turn: int = Field(primary_key=True)
    key: bytes = Field(sa_type=LargeBinary, nullable=False)
    question_ct: bytes = sealed_column(nullable=False)
    vector_ct: bytes = sealed_column(nullable=False)
    kept_at: datetime = now_column()
