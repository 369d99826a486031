"""Knowledge: sources, their versions, and the chunks that are searched."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pgvector.sqlalchemy import HALFVEC, Vector
from sqlalchemy import (
    ARRAY,
    Column,
    Computed,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlmodel import Field, SQLModel

from schema.embedders import SPACE_DIMENSIONS
from schema.tables.columns import (
    OfTenant,
    counter_column,
    foreign_key,
    labels_column,
    now_column,
    sealed_column,
    text_column,
    time_column,
)

EMBEDDING_DIMENSION = 384


class KnowledgeSource(OfTenant, table=True):
    __tablename__ = "knowledge_sources"
    __table_args__ = (
        Index(
            "uq_knowledge_sources_slug",
            "tenant_id",
            "slug",
            "language",
            unique=True,
            postgresql_where=text("deleted_at IS NULL"),
        ),
    )
    slug: str
    language: str
    title: str
    visibility: str
    category: str | None = None
    tags: list[str] = Field(default_factory=list, sa_column=Column(ARRAY(Text), server_default=text("'{}'")))
    url: str | None = None
    audiences: list[str] = labels_column()
    """Who of the customers may see it, e.g. `business`. Empty: everybody."""
    published_version: int | None = None
    created_at: datetime = now_column()
    deleted_at: datetime | None = time_column()


class KnowledgeVersion(SQLModel, table=True):
    __tablename__ = "knowledge_versions"
    __table_args__ = (
        foreign_key("knowledge_sources", "source_id"),
        Index("ix_knowledge_versions_content", "tenant_id", "content_sha256"),
        Index(
            "ix_knowledge_versions_waiting",
            "tenant_id",
            "updated_at",
            postgresql_where=text("status IN ('ingesting', 'pending_review')"),
        ),
    )
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
    expires_at: datetime | None = time_column()
    """From this moment on no answer rests on it."""
    publish_at: datetime | None = time_column()
    """The moment that its approval named."""
    reviewed_at: datetime | None = time_column()
    decision: str | None = None
    """`approve` or `reject`; empty while nobody has decided."""
    note: str | None = None
    visibility: str = text_column("public")
    category: str | None = None
    tags: list[str] = Field(default_factory=list, sa_column=Column(ARRAY(Text), server_default=text("'{}'")))
    url: str | None = None
    audiences: list[str] = labels_column()
    media_type: str = text_column("text/markdown")
    original_ct: bytes | None = sealed_column()
    """What was handed in, until its text was taken out of it."""
    step: str = text_column("done")
    """How far ingestion is: `fetching`, `parsing`, `embedding`, `done`."""
    chunks_total: int = counter_column()
    chunks_done: int = counter_column()
    chunks_reused: int = counter_column()
    """Of those done: unchanged from an earlier version, so not encoded again."""
    failure: str | None = None
    created_at: datetime = now_column()
    updated_at: datetime = now_column()


class Publication(OfTenant, table=True):
    """A span of time in which a version was what answers rested on. A version that is rolled back to has several."""

    __tablename__ = "publications"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "source_id", "version"],
            ["knowledge_versions.tenant_id", "knowledge_versions.source_id", "knowledge_versions.version"],
        ),
        Index("ix_publications_time", "tenant_id", "source_id", "published_at"),
        Index("uq_publications_open", "tenant_id", "source_id", unique=True, postgresql_where=text("ended_at IS NULL")),
    )
    source_id: UUID
    version: int
    published_at: datetime = now_column()
    published_by: UUID | None = None
    ended_at: datetime | None = time_column()
    ended_by: UUID | None = None


class Citation(SQLModel, table=True):
    """Which message rests on which version: what is read when a version is withdrawn."""

    __tablename__ = "citations"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "message_id"], ["messages.tenant_id", "messages.id"], ondelete="CASCADE"),
    )
    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id")
    source_id: UUID = Field(primary_key=True)
    version: int = Field(primary_key=True)
    message_id: UUID = Field(primary_key=True)


class KnowledgePage(OfTenant, table=True):
    """A page or a sitemap that is looked at again and again. What it holds becomes versions of its source."""

    __tablename__ = "knowledge_pages"
    __table_args__ = (
        foreign_key("knowledge_sources", "source_id"),
        ForeignKeyConstraint(
            ["tenant_id", "sitemap_id"], ["knowledge_pages.tenant_id", "knowledge_pages.id"], ondelete="CASCADE"
        ),
        UniqueConstraint("tenant_id", "kind", "url"),
        Index("ix_knowledge_pages_due", "tenant_id", "next_check_at"),
    )
    kind: str
    """`page` or `sitemap`."""
    url: str
    source_id: UUID | None = None
    sitemap_id: UUID | None = None
    """The sitemap that lists it."""
    language: str | None = None
    """Empty: as the page's text is found to be."""
    visibility: str = text_column("public")
    category: str | None = None
    tags: list[str] = Field(default_factory=list, sa_column=Column(ARRAY(Text), server_default=text("'{}'")))
    etag: str | None = None
    last_modified: str | None = None
    content_sha256: str | None = None
    """Of the text that was last found there."""
    outcome: str | None = None
    """Of the last look: `changed`, `unchanged`, or a code of `schema.ingestion.FAILURES`."""
    registered_by: UUID
    created_at: datetime = now_column()
    checked_at: datetime | None = time_column()
    next_check_at: datetime = now_column()


class Chunk(OfTenant, table=True):
    """A passage of a version, visible while that is. `sentence_vectors` is float16, one row of 384 a sentence."""

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


def _space_index(dimension: int) -> Index:
    return Index(
        f"ix_chunk_vectors_{dimension}",
        literal_column(f"((embedding)::halfvec({dimension}))").label("of_the_dimension"),
        postgresql_using="hnsw",
        postgresql_ops={"of_the_dimension": "halfvec_cosine_ops"},
        postgresql_where=text(f"dimension = {dimension}"),
    )


class ChunkVector(SQLModel, table=True):
    """A chunk in the space of an embedder that a tenant chose beside the local one, whose vectors are in `chunks`.

    `embedding` has `dimension` numbers, one of `SPACE_DIMENSIONS`.
    """

    __tablename__ = "chunk_vectors"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "chunk_id"], ["chunks.tenant_id", "chunks.id"], ondelete="CASCADE"),
        Index("ix_chunk_vectors_chunk", "tenant_id", "chunk_id"),
        *(_space_index(dimension) for dimension in SPACE_DIMENSIONS),
    )
    tenant_id: UUID = Field(primary_key=True, foreign_key="tenants.id")
    space: str = Field(primary_key=True)
    chunk_id: UUID = Field(primary_key=True)
    dimension: int
    embedding: Any = Field(sa_type=HALFVEC)


class EmbedderChange(OfTenant, table=True):
    """A tenant's change to another embedder. Without one the local embedder is in force."""

    __tablename__ = "embedder_changes"
    __table_args__ = (
        Index("ix_embedder_changes_embedding", "tenant_id", unique=True,
              postgresql_where=text("status = 'embedding'")),
        Index("ix_embedder_changes_in_force", "tenant_id", unique=True, postgresql_where=text("status = 'in_force'")),
        Index("ix_embedder_changes_to_clean", "tenant_id", postgresql_where=text("cleaned_at IS NULL")),
    )  # fmt: skip
    embedder: str
    space: str
    status: str = text_column("embedding")
    """`embedding`, `in_force`, `replaced` or `cancelled`."""
    chunks_total: int = counter_column()
    chunks_done: int = counter_column()
    trouble: str | None = None
    """What the embedder failed with last, if nothing was embedded since: a `FailureKind`."""
    requested_by: UUID
    created_at: datetime = now_column()
    updated_at: datetime = now_column()
    switched_at: datetime | None = time_column()
    finished_at: datetime | None = time_column()
    cleaned_at: datetime | None = time_column()
    """When vectors that nobody searches any more were gone."""
