"""Knowledge: sources, their versions, and the chunks that are searched."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pgvector.sqlalchemy import Vector
from sqlalchemy import (
    ARRAY,
    Column,
    Computed,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlmodel import Field, SQLModel

from schema.tables.columns import OfTenant, foreign_key, now_column, time_column

EMBEDDING_DIMENSION = 384


class KnowledgeSource(OfTenant, table=True):
    __tablename__ = "knowledge_sources"
    __table_args__ = (UniqueConstraint("tenant_id", "slug", "language"),)
    slug: str
    language: str
    title: str
    visibility: str
    category: str | None = None
    tags: list[str] = Field(default_factory=list, sa_column=Column(ARRAY(Text), server_default=text("'{}'")))
    url: str | None = None
    published_version: int | None = None
    created_at: datetime = now_column()
    deleted_at: datetime | None = time_column()


class KnowledgeVersion(SQLModel, table=True):
    __tablename__ = "knowledge_versions"
    __table_args__ = (foreign_key("knowledge_sources", "source_id"),)
    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id")
    source_id: UUID = Field(primary_key=True)
    version: int = Field(primary_key=True)
    status: str
    title: str
    content: str
    content_sha256: str
    submitted_by: UUID | None = None
    approved_by: UUID | None = None
    effective_at: datetime | None = time_column()
    created_at: datetime = now_column()


class Chunk(OfTenant, table=True):
    """A passage of a published version. `sentence_vectors` is float16, one row of 384 a sentence."""

    __tablename__ = "chunks"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "source_id", "version"],
            ["knowledge_versions.tenant_id", "knowledge_versions.source_id", "knowledge_versions.version"],
        ),
        UniqueConstraint("tenant_id", "source_id", "version", "position"),
        Index(
            "ix_chunks_embedding",
            "embedding",
            postgresql_using="hnsw",
            postgresql_ops={"embedding": "vector_cosine_ops"},
        ),
        Index("ix_chunks_words", "words", postgresql_using="gin"),
    )
    source_id: UUID
    version: int
    position: int
    language: str
    visibility: str
    heading: str | None = None
    text: str
    sentences: list[str] = Field(sa_type=ARRAY(Text))
    sentence_vectors: bytes = Field(sa_type=LargeBinary)
    embedding: Any = Field(sa_type=Vector(EMBEDDING_DIMENSION))
    embedder: str
    words: Any = Field(
        default=None,
        sa_column=Column(
            TSVECTOR,
            Computed("to_tsvector('simple'::regconfig, coalesce(heading, '') || ' ' || text)", persisted=True),
        ),
    )
